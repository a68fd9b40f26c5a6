"""A function of the user's own is loaded, loaded again when its file changes, and named in errors."""

import os
from pathlib import Path

import pytest

from steward.core.errors import InputError, UnknownName
from steward.core.import_from_file import import_function


def test_the_function_is_loaded_and_loaded_again_when_its_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def twice(text): return text * 2\n")
    assert import_function(f"{file}:twice", "stage custom")("ab") == "abab"
    assert import_function(f"{file}:twice", "stage custom") is import_function(f"{file}:twice", "stage custom")
    file.write_text("def twice(text): return 'changed'\n")
    os.utime(file, ns=(1, 1))
    assert import_function(f"{file}:twice", "stage custom")("ab") == "changed"


def test_a_colon_in_the_path_is_no_end_of_it(tmp_path: Path) -> None:
    (tmp_path / "a:b.py").write_text("def f(text): return 1\n")
    assert import_function(f"{tmp_path}/a:b.py:f", "metric")("") == 1


@pytest.mark.parametrize(
    ("reference", "says"),
    [("f", "no file ''; expected path/to/file.py:name"), ("/no/such.py:f", "metric: no file '/no/such.py'")],
)
def test_without_a_file_it_says_what_was_expected(reference: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        import_function(reference, "metric")


def test_a_file_that_does_not_load_is_named_with_its_error(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("1 / 0")
    with pytest.raises(InputError, match="does not load: ZeroDivisionError"):
        import_function(f"{tmp_path}/bad.py:f", "metric")
    (tmp_path / "text.txt").write_text("")
    with pytest.raises(InputError, match=r"ends in \.py"):
        import_function(f"{tmp_path}/text.txt:f", "metric")


def test_a_missing_function_gets_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("LIMIT = 3\ndef score(text): return 1\n")
    for name in ("scor", "LIMIT"):
        with pytest.raises(UnknownName, match="Known: score"):
            import_function(f"{tmp_path}/mine.py:{name}", "metric")
