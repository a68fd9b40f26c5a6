from pathlib import Path

from steward.console.sessions import ATTEMPTS_PER_MINUTE, MAX_ADDRESSES, SESSION_S, Attempts, Sessions

TOKEN = "a-token"


def test_sessions_expire_and_cannot_be_forged() -> None:
    sessions = Sessions(TOKEN)
    cookie = sessions.issue(0.0)
    assert sessions.is_valid(cookie, 1.0) and not sessions.is_valid(cookie, SESSION_S + 1.0)
    assert not sessions.is_valid("9999999999." + cookie.partition(".")[2], 1.0) and not sessions.is_valid("", 1.0)


def test_the_metrics_token_follows_from_the_token_and_opens_no_session() -> None:
    sessions = Sessions(TOKEN)
    assert sessions.is_scraper({"authorization": f"bearer {sessions.metrics_token()}"})
    assert not sessions.is_token(sessions.metrics_token()) and not sessions.is_valid(sessions.metrics_token(), 0.0)
    assert Sessions("another").metrics_token() != sessions.metrics_token()


def test_a_session_that_was_signed_out_is_over_for_every_copy_and_after_a_restart(tmp_path: Path) -> None:
    sessions = Sessions(TOKEN, tmp_path / "ended")
    mine, other = sessions.issue(0.0), sessions.issue(0.0)
    sessions.end(mine, 1.0)
    for now in (sessions, Sessions(TOKEN, tmp_path / "ended")):
        assert not now.is_valid(mine, 2.0) and now.is_valid(other, 2.0)
    assert mine not in (tmp_path / "ended").read_text()


def test_a_forged_cookie_cannot_be_signed_out() -> None:
    sessions = Sessions(TOKEN)
    mine = sessions.issue(0.0)
    sessions.end(mine.partition(".")[0] + ".forged", 1.0)
    assert sessions.is_valid(mine, 2.0)


def test_one_address_does_not_lock_out_another() -> None:
    attempts = Attempts()
    for number in range(ATTEMPTS_PER_MINUTE):
        attempts.add("10.0.0.9", number)
    assert attempts.are_spent("10.0.0.9", 20.0) and not attempts.are_spent("10.0.0.8", 20.0)
    assert not attempts.are_spent("10.0.0.9", 61.0)


def test_a_flood_of_addresses_costs_bounded_memory() -> None:
    attempts = Attempts()
    for number in range(MAX_ADDRESSES + 5):
        attempts.add(str(number), 0.0)
    assert len(attempts._at) == MAX_ADDRESSES
