from steward.console.sessions import SESSION_S, Sessions

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
