from pathlib import Path

import pytest
from starlette.requests import Request

from steward.console.sessions import (
    ATTEMPTS_PER_MINUTE,
    MAX_ADDRESSES,
    OPERATOR,
    Attempts,
    Sessions,
    asks_by_itself,
    find_address,
    is_local,
)
from steward.core.access import SessionLimits
from steward.core.networks import parse_networks

TOKEN = "a-token"


def test_sessions_expire_and_cannot_be_forged() -> None:
    sessions = Sessions(TOKEN)
    cookie = sessions.issue(0.0)
    assert sessions.is_valid(cookie, 1.0) and not sessions.is_valid(cookie, 8 * 3600 + 1.0)
    assert not sessions.is_valid("9999999999." + cookie.partition(".")[2], 1.0) and not sessions.is_valid("", 1.0)


def test_the_metrics_token_follows_from_the_token_and_opens_no_session() -> None:
    sessions = Sessions(TOKEN)
    assert sessions.is_scraper({"authorization": f"bearer {sessions.metrics_token()}"})
    assert not sessions.is_token(sessions.metrics_token()) and not sessions.is_valid(sessions.metrics_token(), 0.0)
    assert Sessions("another").metrics_token() != sessions.metrics_token()


def test_s14_a_session_that_was_signed_out_is_over_for_every_copy_and_after_a_restart(tmp_path: Path) -> None:
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


def test_s14_one_address_does_not_lock_out_another() -> None:
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


@pytest.mark.parametrize("longest_s", [28_800.0, 43_200.0])
def test_a_session_lasts_as_long_as_is_set_to_the_second(longest_s: float) -> None:
    sessions = Sessions(TOKEN, limits=SessionLimits(longest_s=longest_s))
    cookie = sessions.issue(100.0)
    assert sessions.is_valid(cookie, 100.0 + longest_s - 0.1) and not sessions.is_valid(cookie, 100.0 + longest_s)


def test_a_session_that_lies_idle_is_over_and_one_that_is_used_goes_on() -> None:
    sessions = Sessions(TOKEN, limits=SessionLimits(longest_s=1000.0, idle_s=100.0))
    cookie, other = sessions.issue(0.0), sessions.issue(0.0)
    assert all(sessions.use(cookie, at) for at in (0.0, 99.9, 199.8))
    assert sessions.use(cookie, 299.7, is_active=False)  # a page that asks by itself
    assert not sessions.use(cookie, 299.8) and not sessions.use(cookie, 300.0, is_active=False)
    assert not sessions.is_valid(cookie, 300.0) and sessions.use(other, 300.0)
    assert not sessions.use(other, 1000.0)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([(b"accept", b"text/event-stream")], True),  # EventSource
        ([(b"x-live", b"1")], True),
        ([(b"accept", b"text/html,*/*")], False),
        ([], False),
    ],
)
def test_what_an_open_page_asks_by_itself_is_nobodys_doing(headers: list[tuple[bytes, bytes]], expected: bool) -> None:
    assert asks_by_itself(Request({"type": "http", "path": "/", "headers": headers})) is expected


def test_a_cookie_carries_64_random_bits() -> None:
    """OWASP, Session Management: at least 64 bits of entropy; as hex, 16 digits."""
    first, second = (Sessions(TOKEN).issue(0.0).partition(".")[0].partition("-")[2] for _ in range(2))
    assert len(first) == 16 and first != second


def test_sessions_that_were_ended_are_forgotten_when_they_would_have_expired() -> None:
    sessions = Sessions(TOKEN)
    sessions.end(sessions.issue(0.0), 1.0)  # expires at 28,800
    sessions.end(sessions.issue(10.0), 28_799.0)
    assert sorted(sessions._ended.values()) == [28_800, 28_810]
    sessions.end(sessions.issue(20.0), 28_800.0)
    assert sorted(sessions._ended.values()) == [28_810, 28_820]


def test_an_attempt_counts_for_a_minute() -> None:
    attempts = Attempts()
    for _ in range(ATTEMPTS_PER_MINUTE):
        attempts.add("10.0.0.9", 5.0)
    assert attempts.are_spent("10.0.0.9", 64.9) and not attempts.are_spent("10.0.0.9", 65.0)


@pytest.mark.parametrize(
    ("host", "counts_for"),
    [
        ("10.0.0.9", "10.0.0.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),  # RFC 6177: a customer has at least a /64
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("", ""),
    ],
)
def test_attempts_count_for_the_network_of_a_customer(host: str, counts_for: str) -> None:
    assert find_address(Request({"type": "http", "client": (host, 1), "headers": []})) == counts_for


def test_behind_a_trusted_proxy_the_client_behind_it_counts() -> None:
    scope = {"type": "http", "client": ("10.0.0.1", 1), "headers": [(b"x-forwarded-for", b"6.6.6.6, 203.0.113.9")]}
    assert find_address(Request(scope)) == "10.0.0.1"
    assert find_address(Request(scope), parse_networks(("10.0.0.0/8",))) == "203.0.113.9"


def test_of_a_flood_the_addresses_that_came_first_are_forgotten() -> None:
    attempts = Attempts()
    for number in range(10_001):
        attempts.add(str(number), 0.0)
    assert len(attempts._at) == 10_000 and "0" not in attempts._at and "1" in attempts._at


def test_the_consoles_token_reads_and_answers_alerts_and_does_nothing_else() -> None:
    changes = {right for right in OPERATOR.rights if not right.endswith(".read")} - {"public"}
    assert changes == {"alerts.manage"}
    assert {"privacy.read", "infer", "keys.manage", "config.manage"}.isdisjoint(OPERATOR.rights)
    assert OPERATOR.rights >= {"keys.read", "audit.read", "access.read", "evidence.read"}


def test_when_somebody_asked_last_is_remembered_while_others_ask_and_as_long_as_a_session_may_last() -> None:
    sessions = Sessions(TOKEN, limits=SessionLimits(longest_s=1000.0, idle_s=100.0))
    idle, other = sessions.issue(500.0), sessions.issue(850.0)
    assert sessions.use(idle, 900.0) and sessions.use(other, 960.0)
    assert sessions.use(other, 999.9) and not sessions.use(idle, 1000.0)  # a hundred seconds after it was used last
    kept = Sessions(TOKEN, limits=SessionLimits(longest_s=1000.0, idle_s=100.0))
    kept.use(kept.issue(0.0), 0.0)
    kept.use(kept.issue(900.0), 999.0)
    assert len(kept._used) == 2
    kept.use(kept.issue(900.0), 1000.0)
    assert len(kept._used) == 2  # the first would be over by now, whoever asked


@pytest.mark.parametrize(
    ("client", "headers", "local"),
    [
        ("127.0.0.1", {"host": "localhost:8081"}, True),
        ("::1", {"host": "[::1]:8081"}, True),
        ("10.0.0.9", {"host": "localhost:8081"}, False),
        ("127.0.0.1", {"host": "rebound.example"}, False),
        ("127.0.0.1", {"host": "localhost", "x-forwarded-for": "10.0.0.9"}, False),
        ("127.0.0.1", {"host": "localhost", "via": "1.1 proxy"}, False),
    ],
)
def test_this_machine_asks_for_itself_alone(client: str, headers: dict[str, str], local: bool) -> None:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert is_local(Request({"type": "http", "client": (client, 1), "headers": pairs})) == local
