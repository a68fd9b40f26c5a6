"""Whether a run may be believed: the client must have sent when it was asked to.

Decided from the report's own numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from steward.core.load_report import QUANTILES, LoadReport, Quantiles, count_needed_values
from steward.loadtest.recorder import SenderStats, TokenTotals

RATE_TOLERANCE: Final = 0.02  # of the scheduled duration, or twice the lateness budget in short runs
DISPERSION_TOLERANCE: Final = 0.1  # of Poisson's 1; the reach of benchmarks/bench_loadtest.py
CPU_LIMIT: Final = 0.9  # of one core: above it a queue forms in the client (M/D/1 waits 4.5 service times at 0.9)
BURST_SHARE: Final = 0.1  # of the median latency that sending a burst may take
TOKEN_TOLERANCE: Final = 0.05  # between the tokens asked for and the tokens that came
TOGETHER: Final = 0.1  # of the time per token: a median gap below it is within a packet, not between tokens
BUNDLED: Final = 1.5  # tokens per event above which a gap between events is no time per token
FEW_ANSWERS: Final = 100
_MORE: Final = "use more --processes, or a lower rate"


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the decision needs besides the report."""

    budget_ms: float  # of lateness, p99
    scheduled_rate: float
    unfinished: int = 0  # requests in flight when the run ended
    unknown_tpot: int = 0  # streamed answers whose tokens arrived all at one time
    text_is_exact: bool = False  # prompts have exactly the tokens asked for, by a tokenizer
    stats: Sequence[SenderStats] = ()

    @property
    def stopped(self) -> str:
        """Why the run was stopped early; empty if it was not."""
        return next((one.stopped for one in self.stats if one.stopped), "")


def find_invalid_reasons(report: LoadReport, facts: RunFacts) -> tuple[str, ...]:
    """Why the numbers describe the client rather than the server; empty for a valid run."""
    reasons = [] if report.answered else ["no request was answered; see the errors"]
    reasons += _find_late(report, facts)
    if report.client.cpu_share > CPU_LIMIT:
        reasons.append(
            f"the client used {report.client.cpu_share:.0%} of a core; above {CPU_LIMIT:.0%} it falls behind; {_MORE}"
        )
    if report.requested_concurrency is None and report.arrival != "burst" and report.sent > 50:
        reasons += _find_wrong_arrivals(report, facts)
    return tuple(reasons)


def _find_late(report: LoadReport, facts: RunFacts) -> Iterator[str]:
    (late, late_name), (lag, lag_name) = map(_find_upper, (report.client.late_ms, report.client.loop_lag_ms))
    budget_ms = facts.budget_ms
    late_budget_ms = budget_ms
    if report.arrival == "burst":  # sending takes time, and there is no schedule to keep
        late_budget_ms = max(budget_ms, BURST_SHARE * (report.e2e_ms.p50 or 0.0))
    if late is not None and late > late_budget_ms:
        yield (
            f"the client was late: {late_name} of actual - intended send is {late:.1f} ms, the budget is "
            f"{late_budget_ms:g} ms; {_MORE}"
        )
    if lag is not None and lag > budget_ms and report.arrival != "burst":
        yield (
            f"the client's event loop lagged: {lag_name} is {lag:.1f} ms, the budget is {budget_ms:g} ms; {_MORE}, or "
            "a quieter machine"
        )


def _find_upper(times: Quantiles) -> tuple[float | None, str]:
    """p99, or of too few the largest, and which of them it is."""
    return (times.max, "the largest") if times.p99 is None else (times.p99, "p99")


def _find_wrong_arrivals(report: LoadReport, facts: RunFacts) -> Iterator[str]:
    took_s, scheduled_s = (report.sent / max(rate, 1e-9) for rate in (report.achieved_rate, facts.scheduled_rate))
    if abs(took_s - scheduled_s) > max(RATE_TOLERANCE * scheduled_s, 0.002 * facts.budget_ms):
        yield (
            f"{report.achieved_rate:.2f} requests per second were sent, {facts.scheduled_rate:.2f} were scheduled; "
            f"{_MORE}"
        )
    asked, achieved = report.client.dispersion_asked, report.client.dispersion_achieved
    if asked is None or achieved is None:
        return
    if abs(achieved - asked) > DISPERSION_TOLERANCE * max(1.0, asked):
        yield (
            f"the arrivals were not those asked for: their index of dispersion is {achieved:.2f}, {asked:.2f} was "
            f"scheduled; {_MORE}"
        )


def collect_warnings(report: LoadReport, facts: RunFacts) -> tuple[str, ...]:
    """What a reader must know about a run that is otherwise as asked for."""
    warnings = list(_warn_of_missing(report, facts))
    warnings += _warn_of_tokens(report, facts)
    if 0 < report.answered < FEW_ANSWERS:
        answers = "1 answer is" if report.answered == 1 else f"{report.answered} answers are"
        lacking = [
            f"a {name}" for name in ("p90", "p95", "p99") if report.answered < count_needed_values(QUANTILES[name])
        ]
        warnings.append(f"{answers} too few for {', '.join(lacking)} or an interval; run longer")
    retried = sum(one.retried for one in facts.stats)
    if retried:
        warnings.append(f"{_requests(retried)} sent again because the server had closed an idle connection")
    return tuple(warnings)


def _warn_of_missing(report: LoadReport, facts: RunFacts) -> Iterator[str]:
    if facts.stopped:
        yield f"partial: {facts.stopped} after {report.duration_s:.1f} s; the numbers cover what was sent until then"
    if facts.unfinished:
        yield (
            f"{_requests(facts.unfinished)} still in flight at the end and in no latency, so the slowest are missing; "
            "give them more time with --drain"
        )
    if report.failed:
        texts = {cause: text for one in facts.stats for cause, text in one.error_texts.items()}
        listed = "; ".join(f"{cause}: {text}" for cause, text in texts.items())
        yield f"{report.failed} of {report.sent} requests failed" + (f" ({listed})" if listed else "")
    if report.answered and report.streamed and not report.ttft_ms.n:
        yield "no answer arrived as a stream with text, so there is no time to first token"
    if facts.unknown_tpot:
        yield (
            f"{facts.unknown_tpot} of {report.answered} answers arrived all at once and have no time per output token; "
            "the server, or a proxy before it, buffers its streams"
        )


def _warn_of_tokens(report: LoadReport, facts: RunFacts) -> Iterator[str]:
    if report.tokens_from == "estimated":
        yield (
            "the server reports no usage, so token counts are estimated: TPOT and tokens per second are rough; count "
            "them with --tokenizer tokenizer.json"
        )
    per_event = report.tokens_per_event_mean
    if per_event is not None and per_event > BUNDLED:
        yield (
            f"the server bundles tokens, {per_event:.1f} in an event: the gap between events is not the time per token"
        )
    elif (gap := report.itl_ms.p50) is not None and (token := report.tpot_ms.p50) and gap < TOGETHER * token:
        yield (
            f"events arrive several at a time (half of the gaps are within {gap:.2g} ms, a token takes {token:.2g} ms):"
            " the server, or a proxy before it, collects them; the gap between events is not the time per token"
        )
    if report.tokens_from != "usage" or report.endpoint == "embeddings":
        return
    asked, got = sum_totals([one.output_totals for one in facts.stats])
    if asked and abs(got - asked) > TOKEN_TOLERANCE * asked:
        yield (
            f"answers have {got:.1f} tokens, {asked:g} were asked for; vLLM and SGLang answer in full with "
            "--body '{\"ignore_eos\": true}'"
        )
    asked, got = sum_totals([one.input_totals for one in facts.stats])
    if asked and abs(got - asked) > TOKEN_TOLERANCE * asked:
        why = "its chat template adds them" if facts.text_is_exact else "count exactly with --tokenizer tokenizer.json"
        yield f"by the server's count prompts have {got:.1f} tokens, {asked:g} were asked for; {why}"


def sum_totals(totals: Sequence[TokenTotals]) -> tuple[float, float]:
    """Mean tokens of a request over all processes: asked for, and got.

    >>> sum_totals([TokenTotals(1, 10, 20), TokenTotals(3, 30, 60)])
    (10.0, 20.0)
    """
    requests = sum(one.requests for one in totals)
    if not requests:
        return 0.0, 0.0
    return sum(one.asked for one in totals) / requests, sum(one.got for one in totals) / requests


def _requests(count: int) -> str:
    return "1 request was" if count == 1 else f"{count} requests were"
