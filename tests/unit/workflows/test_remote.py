from __future__ import annotations

from pathlib import Path

import pytest

from steward.core.errors import InputError, Unavailable
from steward.workflows.remote import RemoteSession, load_session, save_session, session_file, sign_in

SESSION = RemoteSession("https://c.example", "anna", "sts_secret", 100.0)


def test_a_session_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "steward" / "session.json"
    save_session(SESSION, file)
    assert load_session(file, 99.9) == SESSION and file.stat().st_mode & 0o777 == 0o600
    assert "secret" not in repr(SESSION)


def test_what_cannot_be_used_says_how_to_sign_in(tmp_path: Path) -> None:
    file = tmp_path / "session.json"
    with pytest.raises(InputError, match="signed in nowhere; sign in with: steward login"):
        load_session(file, 0.0)
    save_session(SESSION, file)
    with pytest.raises(InputError, match=r"at https://c\.example is over"):
        load_session(file, 100.0)
    file.chmod(0o640)
    with pytest.raises(InputError, match="mode 0640 lets others use your session; run: chmod 600"):
        load_session(file, 0.0)
    file.write_text("half")
    with pytest.raises(InputError, match="not readable"):
        load_session(file, 0.0)


@pytest.mark.parametrize("url", ["http://c.example", "c.example", "ftp://localhost", "https://"])
def test_a_password_does_not_cross_the_network_in_the_clear(url: str) -> None:
    with pytest.raises(InputError, match="expected https://HOST") as caught:
        sign_in(url, "anna", "pa55word", "", 0.0)
    assert "pa55word" not in str(caught.value)


def test_a_console_that_does_not_answer_is_named() -> None:
    with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:9: no answer"):
        sign_in("http://127.0.0.1:9", "anna", "pa55word", "", 0.0)


def test_where_the_session_stands() -> None:
    assert session_file({"XDG_CONFIG_HOME": "/x"}) == Path("/x/steward/session.json")
    assert session_file({}) == Path.home() / ".config" / "steward" / "session.json"
