from pathlib import Path

import pytest

from steward.core.errors import InputError, UnknownName
from steward.text.lexicons import load_lexicon, load_rows, load_titles


def test_entries_by_group_in_lower_case(tmp_path: Path) -> None:
    (tmp_path / "l.txt").write_text("One, two # not this\n\n[Group]\nThree\n")
    path = str(tmp_path / "l.txt")
    assert load_lexicon(path) == {"": {"one", "two"}, "group": {"three"}}
    (tmp_path / "l.txt").write_text("another entry\n")
    assert load_lexicon(path) == {"": {"another entry"}}  # a changed file is read again


def test_rows_keep_order_and_case(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("Big, large\nalone\n[x]\na, b\n")
    path = str(tmp_path / "r.txt")
    assert load_rows(path) == (("Big", "large"),) and load_rows(path, "x") == (("a", "b"),)
    assert load_titles(path) == ("", "x")
    with pytest.raises(InputError, match=r"no line of two entries or more in \[y\]"):
        load_rows(path, "y")


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("# nothing\n")
    with pytest.raises(InputError, match="no entry"):
        load_lexicon(str(tmp_path / "empty.txt"))
    (tmp_path / "bad.txt").write_bytes(b"abc\xff")
    with pytest.raises(InputError, match="byte 3 is not UTF-8"):
        load_lexicon(str(tmp_path / "bad.txt"))
    with pytest.raises(UnknownName, match="did you mean 'toxic'"):
        load_lexicon("toxicc")
