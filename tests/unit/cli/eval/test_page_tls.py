from __future__ import annotations

from pathlib import Path

import pytest

from steward.cli.eval.page_tls import TlsOptions
from steward.core.errors import InputError


@pytest.fixture(autouse=True)
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STEWARD_HOME", raising=False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (TlsOptions(certificate=Path("a.pem")), "--key is missing"),
        (TlsOptions(key=Path("a.pem")), "--certificate is missing"),
        (TlsOptions(tls=True, insecure_http=True), "--tls and --insecure-http exclude each other"),
        (TlsOptions(tls=True, certificate=Path("a"), key=Path("b")), "--tls and --certificate exclude each other"),
        (TlsOptions(certificate=Path("a"), key=Path("b")), "a: "),
    ],
)
def test_options_that_cannot_be_followed_say_why(options: TlsOptions, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        options.plan("0.0.0.0", tmp_path)


def test_a_generated_certificate_is_the_homes_where_there_is_one(tmp_path: Path) -> None:
    beside = TlsOptions(tls=True).plan("127.0.0.1", tmp_path / "study")
    assert beside is not None and beside.certificate == str(tmp_path / "study" / "tls" / "certificate.pem")
    (tmp_path / ".steward").mkdir()
    own = TlsOptions(tls=True).plan("127.0.0.1", tmp_path / "study")
    assert own is not None and own.certificate == str(tmp_path / ".steward" / "tls" / "certificate.pem")
