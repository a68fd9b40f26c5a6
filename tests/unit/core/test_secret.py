"""Secrets do not print, and references say what is wrong with them without saying the secret."""

import copy
import pickle
from pathlib import Path

import pytest

from steward.core.errors import InputError
from steward.core.secret import Secret, resolve


@pytest.mark.parametrize("show", [str, repr, "{}".format, "{:>20}".format, lambda secret: f"{[secret]}"])
def test_no_way_of_printing_shows_it(show: object) -> None:
    assert "hunter2" not in show(Secret("hunter2"))  # type: ignore[operator]
    assert Secret("hunter2").reveal() == "hunter2"


@pytest.mark.parametrize("serialise", [pickle.dumps, copy.copy])
def test_it_cannot_be_serialised(serialise: object) -> None:
    with pytest.raises(TypeError, match="pass the reference"):
        serialise(Secret("hunter2"))  # type: ignore[operator]


def test_a_variable_and_a_file_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "from the environment")
    (tmp_path / "key").write_text("from:a:file\n")
    assert resolve("env:A_KEY").reveal() == "from the environment"
    assert resolve(f"file:{tmp_path}/key").reveal() == "from:a:file"


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("env:NOT_SET_ANYWHERE", "NOT_SET_ANYWHERE is not set; export it"),
        ("env:EMPTY", "EMPTY is not set"),
        ("file:/no/such/file", "No such file"),
        ("hunter2", "must be a reference"),
        ("env:", "must be a reference"),
        ("file:", "must be a reference"),
        ("vault:hunter2", "must be a reference"),
    ],
)
def test_what_leads_to_no_secret_is_an_input_error(reference: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPTY", "")
    with pytest.raises(InputError, match=says) as caught:
        resolve(reference)
    assert "hunter2" not in str(caught.value)
