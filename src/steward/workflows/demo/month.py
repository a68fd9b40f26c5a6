"""A made-up month of traffic: three routes, two models, four keys, an incident, a canary that is rolled back and a
drift. Pure.

Nothing in it was measured. Numbers come from one seed, so that two homes of the same moment are equal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random
from typing import Final, NamedTuple

from steward.core.records import Admitted, Arm, Attempt, Feedback, LedgerRecord, LimitSpec, Outcome, Settled

DAYS: Final = 30
SEED: Final = 20261129
PER_HOUR: Final = 32.0  # requests, on average
INCIDENT_DAY: Final = 21  # of the month, from 0
INCIDENT_S: Final = (13 * 3600 + 600, 14 * 3600 + 1500)  # of that day, UTC
CANARY_DAY: Final = 22
CANARY_S: Final = (9 * 3600, 39 * 3600)  # from the beginning of that day: the guards see it at three the next afternoon
CANARY_SHARE: Final = 0.2  # of people
RELEASE: Final = "rel_00000000de30"
PROMPTS: Final = ("1-468973dd", "2-b8260c25")  # versions of the prompt `assistant`
DRIFT_DAY: Final = 26
RENEWAL_DAY: Final = 14  # from which on the small model is of another version
ROUTES: Final = (("assistant", 0.62), ("search", 0.26), ("drafts", 0.12))
USD_PER_TOKEN: Final = {"small": (0.15e-6, 0.6e-6), "large": (2.5e-6, 10e-6)}  # input and output
PEOPLE: Final = 400


def find_canary(first_day: float) -> tuple[float, float]:
    """When the release of a month that begins at `first_day` began, and when it was rolled back."""
    day = first_day + CANARY_DAY * 86400
    return day + CANARY_S[0], day + CANARY_S[1]


class DemoKey(NamedTuple):
    """A key, and the share of requests that come with it."""

    name: str
    team: str
    share: float
    budget: LimitSpec = LimitSpec()


KEYS: Final = (
    DemoKey("webshop", "shop", 0.48, LimitSpec(usd_per_month=20.0)),
    DemoKey("support-desk", "support", 0.27, LimitSpec(usd_per_month=5.0, usd_per_day=1.0)),
    DemoKey("mobile-app", "shop", 0.18, LimitSpec(usd_per_day=0.75)),
    DemoKey("nightly-reports", "data", 0.07),
)


def find_incident(first_day: float) -> tuple[float, float]:
    """When the incident of a month that begins at `first_day` began and ended."""
    day = first_day + INCIDENT_DAY * 86400
    return day + INCIDENT_S[0], day + INCIDENT_S[1]


def make_day(first_day: float, day: int, until: float, key_ids: dict[str, str]) -> Iterator[LedgerRecord]:
    """What the ledger would hold of one day, up to `until`. `first_day`: where the month begins, a UTC midnight."""
    random = Random(SEED + day)
    start = first_day + day * 86400
    weekend = 0.55 if int(start // 86400 + 4) % 7 in (0, 6) else 1.0  # 1 January 1970 was a Thursday
    for hour in range(24):
        busy = 0.35 + 1.3 * math.exp(-(((hour - 13.5) / 4.5) ** 2))
        for _ in range(_poisson(PER_HOUR * weekend * busy * (1 + day / 90), random)):
            at = start + hour * 3600 + random.random() * 3600
            if at < until - 30:
                yield from _make_exchange(at, day, start, random, key_ids)


class _Drawn(NamedTuple):
    """What chance decided of one request."""

    request_id: str
    at: float
    key: DemoKey
    route: str
    model: str
    arm: Arm | None  # of the release that the route was in
    incident: bool
    tokens_in: int
    person: str
    new_route: bool  # of the version that the canary came with
    renewed: bool  # after the small model was replaced


def _make_exchange(
    at: float, day: int, start: float, random: Random, key_ids: dict[str, str]
) -> Iterator[LedgerRecord]:
    drawn = _draw_request(at, day, start, random)
    key_id = key_ids[drawn.key.name]
    prompt = f"assistant@{PROMPTS[drawn.arm == 'candidate']}" if drawn.route == "assistant" else None
    yield Admitted(
        request_id=drawn.request_id,
        at=at,
        key_id=key_id,
        project="default",
        endpoint="/v1/chat/completions",
        route=drawn.route,
        streamed=drawn.route == "assistant" or random.random() < 0.3,
        team=drawn.key.team,
        subject=drawn.person,
        prompt_version=prompt,
        route_version=2 if drawn.new_route else 1,
        release=RELEASE if drawn.arm is not None else None,
        arm=drawn.arm,
        arm_weight=CANARY_SHARE if drawn.arm is not None else None,
    )
    settled = _settle(drawn, random)
    yield settled
    if settled.outcome == "ok":
        yield from _react(drawn, settled.at, random, key_id)


def _draw_request(at: float, day: int, start: float, random: Random) -> _Drawn:
    key = random.choices(KEYS, [one.share for one in KEYS])[0]
    (route, _) = random.choices(ROUTES, [share for _, share in ROUTES])[0]
    model = "large" if random.random() < {"assistant": 0.35, "search": 0.05, "drafts": 0.8}[route] else "small"
    tested = route == "assistant" and CANARY_S[0] <= at - start + (day - CANARY_DAY) * 86400 < CANARY_S[1]
    longer = 1.9 if day >= DRIFT_DAY and key.name == "mobile-app" else 1.25 if day >= DRIFT_DAY else 1.0
    request_id = f"req_{int(at * 1000):011x}{random.getrandbits(52):013x}"
    if route == "assistant" and day >= CANARY_DAY:
        random.random()  # decides nothing any more: without it, the rest of the month would be another one
    tokens_in = int(random.lognormvariate(5.6, 0.6) * longer)
    person = random.randrange(PEOPLE)  # who stays with an arm
    return _Drawn(
        request_id=request_id,
        at=at,
        key=key,
        route=route,
        model=model,
        arm=None if not tested else "candidate" if person % round(1 / CANARY_SHARE) == 0 else "champion",
        incident=day == INCIDENT_DAY and INCIDENT_S[0] <= at - start < INCIDENT_S[1] and model == "large",
        tokens_in=tokens_in,
        person=f"{person:032x}",
        new_route=day >= CANARY_DAY,
        renewed=day >= RENEWAL_DAY,
    )


def _settle(drawn: _Drawn, random: Random) -> Settled:
    outcome, status = _choose_outcome(random, drawn.incident)
    tokens_out = max(1, int(random.lognormvariate(4.7 if drawn.route != "drafts" else 5.9, 0.5)))
    tokens_out *= 3 if drawn.arm == "candidate" else 1  # the new prompt makes answers long
    slower = random.uniform(3, 8) if drawn.incident else 1.0
    first_s = random.lognormvariate(-1.1 if drawn.model == "small" else -0.55, 0.35) * slower
    per_token_s = (0.008 if drawn.model == "small" else 0.021) * random.uniform(0.8, 1.2) * slower
    answered = outcome == "ok"
    tokens_out = tokens_out if answered else 0
    duration_s = 30.0 if outcome == "timeout" else first_s + tokens_out * per_token_s
    queued_s = random.expovariate(60) if random.random() < 0.2 else 0.0
    ready_s = 0.003 + queued_s
    error = {"timeout": "no first byte", "upstream_error": "server error"}.get(outcome)
    began = drawn.at + ready_s
    attempt = Attempt(drawn.model, status if error else 200, error, began, duration_s)
    prices = USD_PER_TOKEN[drawn.model]
    return Settled(
        request_id=drawn.request_id,
        at=began + duration_s,
        outcome=outcome,
        status=status,
        model=drawn.model if outcome != "refused" else None,
        model_version=None if outcome == "refused" else _find_version(drawn),
        input_tokens=drawn.tokens_in,
        output_tokens=tokens_out,
        usd=drawn.tokens_in * prices[0] + tokens_out * prices[1] if answered else 0.0,
        ttft_s=first_s + ready_s if answered else None,
        duration_s=duration_s + ready_s,
        attempts=() if outcome == "refused" else (attempt,),
        guards=("privacy=allow",),
        masked={"email": 1} if random.random() < 0.015 else {},
        ready_s=ready_s,
        queued_s=queued_s,
    )


def _find_version(drawn: _Drawn) -> str:
    return "2026-10" if drawn.model == "small" and drawn.renewed else "2026-09"


def _react(drawn: _Drawn, ended: float, random: Random, key_id: str) -> Iterator[Feedback]:
    """Some people rate an answer, some do something else with it."""

    def say(mark: str, at: float, score: float, label: str | None = None, kind: str = "explicit") -> Feedback:
        return Feedback(
            id=f"fb_{mark}{drawn.request_id[4:]}",
            at=at,
            key_id=key_id,
            project="default",
            request_id=drawn.request_id,
            score=score,
            label=label,
            subject=drawn.person,
            kind=kind,
        )

    if random.random() < 0.13:
        good = 0.55 if drawn.incident else 0.6 if drawn.arm == "candidate" else 0.86 if drawn.model == "large" else 0.81
        score = 1.0 if random.random() < good else -1.0
        label = None if score > 0 else random.choice(["wrong", "too long", "unclear", "off topic"])
        if label and drawn.arm == "candidate":
            label = "too long"
        yield say("", ended + random.uniform(5, 600), score, label)
    if signal := _choose_signal(random):
        yield say(signal[0], ended + random.uniform(2, 60), 0.0, kind=signal)


def _choose_signal(random: Random) -> str:
    """What a client does with an answer beside rating it; empty: nothing."""
    return random.choices(("", "regenerate", "abandon", "copy", "rephrase"), (0.84, 0.03, 0.02, 0.08, 0.03))[0]


def _choose_outcome(random: Random, incident: bool) -> tuple[Outcome, int]:
    chance = random.random()
    if incident and chance < 0.55:
        return ("upstream_error", 503) if chance < 0.4 else ("timeout", 504)
    if chance < 0.003:
        return "upstream_error", 502
    if chance < 0.004:
        return "timeout", 504
    if chance < 0.02:
        return "client_closed", 499
    return ("refused", 429) if chance < 0.028 else ("ok", 200)


def _poisson(mean: float, random: Random) -> int:
    """Knuth, The Art of Computer Programming, volume 2, 3.4.1."""
    limit, count, product = math.exp(-mean), 0, random.random()
    while product > limit:
        count += 1
        product *= random.random()
    return count
