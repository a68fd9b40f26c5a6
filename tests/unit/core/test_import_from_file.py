"""A function of the user's own is loaded, loaded again when its file changes, and named in errors."""

import os
from pathlib import Path

import pytest

from steward.core.errors import InputError, UnknownName
from steward.core.import_from_file import check_function, import_function


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


def test_a_function_is_checked_without_running_its_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    for text in (
        "1 / 0\ndef f(text): return 1\n",
        "class f: pass\n",
        "f = str.split\n",
        "f: object = len\n",
        "from re import findall as f\n",
        "import f\n",
        "from os.path import *\n",
        "if True:\n    def f(text): return 1\n",
    ):
        file.write_text(text)
        check_function(f"{file}:f", "detector")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def g(text): return 1\n", "unknown function 'f'.*Known: g"),
        ("def f(:\n", "detector: .*mine.py does not load: SyntaxError in line 1"),
        ("\0", "mine.py does not load"),
    ],
)
def test_a_function_that_cannot_be_there_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(InputError, match=says):
        check_function(f"{tmp_path}/mine.py:f", "detector")
    with pytest.raises(InputError, match="no file"):
        check_function(f"{tmp_path}/none.py:f", "detector")
