"""Which rate to try next: for the highest rate that meets an objective, and for a sweep up to saturation.

Rates are fractions and steps are ratios: the rate doubles until one fails, then the bracket is halved by its ratio.
What the server still answered in a failed trial is a guess at its capacity, which saves trials. At the end both sides
of the bracket are tried again: one trial on a busy machine proves nothing, and trials that contradict each other widen
the interval that is reported.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from steward.loadtest.slo import SloAnswer, TermResult
from steward.loadtest.statistics import Z975

TRIAL_FACTOR: Final = 2.0  # times the fewest requests that can decide a limit, if none of them is beyond it
MAX_STRETCH: Final = 10  # times the trial's duration that few requests may make it last
CONFIRMATIONS: Final = 2  # trials of each side of the final bracket
MAX_TRIALS_OF_RATE: Final = 3  # the majority of three decides
MAX_TRIALS: Final = 40
NOISY_RATIO: Final = 2.0  # between the ends of the interval; above it the machine is too noisy for an answer
FindMaxVerdict = Literal["found", "not_even_the_lowest", "client_limit", "no_limit_found", "too_noisy", "interrupted"]


class RateTrial(msgspec.Struct, frozen=True, kw_only=True):
    """One rate that was tried."""

    rate: float
    answer: SloAnswer
    why: str
    answered_rate: float
    terms: tuple[TermResult, ...] = ()
    ttft_p95_ms: float | None = None
    tpot_p95_ms: float | None = None
    sent: int = 0
    valid: bool = True
    output_tok_s: float = 0.0
    input_tok_s: float = 0.0
    decided: bool = True  # False: chance leaves the answer open, and the measured share decided


class FindMax(msgspec.Struct, frozen=True, kw_only=True):
    """`steward load find-max --json`. The highest rate lies in [rate, fails_at) as far as these trials tell.

    `interval`: up to its first rate trials clearly met the objective, and from its second on they clearly failed, with
    what chance leaves open; None for an end that was not found. Other searches on the same server end in it.
    """

    slo: str
    rate: float | None  # the highest that met the objective
    fails_at: float | None  # the lowest above it that did not
    verdict: FindMaxVerdict
    reason: str = ""
    interval: tuple[float | None, float | None] = (None, None)
    trials: tuple[RateTrial, ...] = ()
    model: str = ""
    url: str = ""
    arrival: str = ""
    partial: bool = False  # interrupted

    def describe(self) -> str:
        """The result in one sentence."""
        low, high = self.interval
        bounds = f"it is clearly met up to {low:.4g} and clearly missed from {high:.4g}" if low and high else ""
        if self.verdict == "found" and self.rate is not None:
            return f"{self.rate:.4g} requests per second meet {self.slo} ({bounds})"
        if self.verdict == "no_limit_found" and self.rate is not None:
            return f"At least {self.rate:.4g} requests per second meet {self.slo} ({self.reason})"
        if self.verdict == "not_even_the_lowest":
            return f"No rate meets {self.slo} ({self.reason})"
        return f"No answer for {self.slo}: {self.reason}"


def answer_of_rate(trials: Sequence[RateTrial], rate: float) -> SloAnswer:
    """The majority of the trials of a rate; "unclear" on a tie."""
    answers = [trial.answer for trial in trials if trial.rate == rate]
    holds, fails = answers.count("holds"), answers.count("fails")
    return "holds" if holds > fails else "fails" if fails > holds else "unclear"


def find_bracket(trials: Sequence[RateTrial]) -> tuple[float | None, float | None]:
    """The highest rate that held below the lowest rate that failed, and that rate. Above a rate that failed nothing
    holds: of rates that contradict each other the worse counts."""
    answers = {trial.rate: answer_of_rate(trials, trial.rate) for trial in trials}
    fails_at = min((rate for rate, answer in answers.items() if answer == "fails"), default=None)
    held = [rate for rate, answer in answers.items() if answer == "holds" and (fails_at is None or rate < fails_at)]
    return max(held, default=None), fails_at


def find_interval(trials: Sequence[RateTrial]) -> tuple[float | None, float | None]:
    """The highest rate up to which decided trials held, and the lowest rate from which decided trials failed.

    Both ends are moved outwards by what chance leaves open in so many requests: the number of arrivals in a trial has a
    relative standard deviation of 1 / sqrt(requests).
    """
    low, high = find_decided_ends(trials)
    return (
        None if low is None else low / (1 + _chance(trials, low)),
        None if high is None else high * (1 + _chance(trials, high)),
    )


def find_decided_ends(trials: Sequence[RateTrial]) -> tuple[float | None, float | None]:
    """As `find_interval`, at the very rates that were tried."""
    decided = [trial for trial in trials if trial.decided]
    answers = {trial.rate: answer_of_rate(decided, trial.rate) for trial in decided}
    held = [rate for rate, answer in answers.items() if answer == "holds"]
    failed = [rate for rate, answer in answers.items() if answer == "fails"]
    low = max((rate for rate in held if rate < min(failed, default=math.inf)), default=None)
    high = min((rate for rate in failed if rate > max(held, default=0.0)), default=None)
    return low, high


def _chance(trials: Sequence[RateTrial], rate: float) -> float:
    sent = sum(trial.sent for trial in trials if trial.rate == rate)
    return Z975 / math.sqrt(sent) if sent else 0.0


def choose_next_rate(
    trials: Sequence[RateTrial], start: float, highest: float, tolerance: float, lowest: float = 1e-3
) -> float | None:
    """None: the bracket is narrower than the tolerance (0.02: two percent) and confirmed, or nothing is left to try.

    Below `lowest` requests hardly ever meet each other, so what fails there fails at any rate.

    >>> choose_next_rate([], start=2.0, highest=1e6, tolerance=0.02)
    2.0
    """
    if not trials:
        return min(start, highest)
    if len(trials) >= MAX_TRIALS:
        return None
    undecided = [trial.rate for trial in trials if answer_of_rate(trials, trial.rate) == "unclear"]
    again = next((rate for rate in undecided if count_trials(trials, rate) < MAX_TRIALS_OF_RATE), None)
    if again is not None:
        return again
    low, high = find_bracket(trials)
    if high is None:
        return _confirm(trials, low) if low is not None and low >= highest else min(highest, 2 * (low or start))
    if low is None:
        return high / 2 if high / 2 >= lowest else _confirm(trials, high)
    if high / low <= 1 + tolerance:
        return _confirm(trials, low) or _confirm(trials, high) or _find_contradiction(trials, high)
    return _guess_rate(trials, low, high, tolerance)


def count_trials(trials: Sequence[RateTrial], rate: float) -> int:
    return sum(trial.rate == rate for trial in trials)


def _confirm(trials: Sequence[RateTrial], rate: float) -> float | None:
    """The rate, if it was tried too rarely to count."""
    return rate if count_trials(trials, rate) < CONFIRMATIONS else None


def _find_contradiction(trials: Sequence[RateTrial], fails_at: float) -> float | None:
    """A rate above one that failed, which held and was not tried often enough to be sure."""
    above = {trial.rate for trial in trials if trial.rate > fails_at and answer_of_rate(trials, trial.rate) == "holds"}
    return min((rate for rate in above if count_trials(trials, rate) < MAX_TRIALS_OF_RATE), default=None)


def _guess_rate(trials: Sequence[RateTrial], low: float, high: float, tolerance: float) -> float:
    """A rate in the bracket: while it is wide, just below or above what the overloaded server answered; else its middle
    by ratio."""
    if high / low > 1.25:
        capacity = max((trial.answered_rate for trial in trials if trial.answer == "fails"), default=0.0)
        for factor in (0.97, 1.03):
            rate = capacity * factor
            if low * (1 + tolerance) < rate < high / (1 + tolerance) and not count_trials(trials, rate):
                return rate
    return math.sqrt(low * high)


def count_needed_requests(allowed: Sequence[float]) -> float:
    """Requests that can decide limits with these allowed shares, if hardly any request is beyond one.

    Wilson's upper end of no request in n is z^2 / (n + z^2), which must be below the share: 73 for a p95, 381 for a
    p99.

    >>> round(count_needed_requests([0.05]))
    146
    """
    return TRIAL_FACTOR * max((Z975**2 * (1 - share) / share for share in allowed), default=0.0)


def choose_trial_s(rate: float, asked_s: float, allowed: Sequence[float] = (0.05,)) -> float:
    """Long enough to decide, within bounds, and for at least five requests."""
    return max(asked_s, min(MAX_STRETCH * asked_s, count_needed_requests(allowed) / rate), 5 / rate)


def resolve_unclear(trial: RateTrial) -> RateTrial:
    """A trial that stayed unclear counts by its point estimates."""
    if trial.answer != "unclear":
        return trial
    held = trial.terms and all(term.share_over <= term.allowed for term in trial.terms)  # NaN (no request) is not
    return msgspec.structs.replace(
        trial,
        answer="holds" if held else "fails",
        why=f"{trial.why}; judged by the share that was measured",
        decided=False,
    )


def conclude(trials: Sequence[RateTrial], highest: float) -> tuple[FindMaxVerdict, str]:
    """The verdict of a search that has ended, and its reason."""
    low, high = find_bracket(trials)
    if low is None:
        return "not_even_the_lowest", f"{min(trial.rate for trial in trials):.4g} requests per second did not meet it"
    clear_low, clear_high = find_decided_ends(trials)
    held = max(trial.rate for trial in trials if trial.answer == "holds")
    failed = min((trial.rate for trial in trials if trial.answer == "fails"), default=math.inf)
    is_wide = clear_low is not None and clear_high is not None and clear_high / clear_low > NOISY_RATIO
    if held > failed and (clear_low is None or clear_high is None or is_wide):
        return "too_noisy", (
            f"this machine is too noisy: {failed:.4g} requests per second failed in one trial and {held:.4g} met the "
            "objective in another; run longer trials with --trial, on a quieter machine"
        )
    if clear_low is None or (high is not None and clear_high is None) or is_wide:
        return "too_noisy", "the trials are too short to decide; run longer ones with --trial"
    if high is None:
        return "no_limit_found", f"{highest:g}, the highest rate allowed, met it"
    return "found", ""
