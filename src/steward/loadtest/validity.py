"""Whether a run may be believed: the client must have sent when it was asked to. Decides on a report's own numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from steward.core.load_report import LoadReport
from steward.loadtest.config import Lengths
from steward.loadtest.recorder import SenderStats

RATE_TOLERANCE: Final = 0.02  # of the scheduled time, or twice the budget of lateness in short runs
DISPERSION_TOLERANCE: Final = 0.1  # of Poisson's 1; the reach of benchmarks/bench_loadtest.py
CPU_LIMIT: Final = 0.9  # of one core: above it a queue forms in the client (M/D/1 waits 4.5 service times at 0.9)
_MORE: Final = "give --processes more, or a lower rate"


def find_invalid_reasons(
    report: LoadReport, budget_ms: float, scheduled_rate: float, *, answered_any: bool
) -> tuple[str, ...]:
    """Why the run says more of the client than of the server; nothing where it may be believed."""
    client, found = report.client, []
    late, lag = client.late_ms.p99, client.loop_lag_ms.p99
    if not answered_any:
        found.append("no request was answered; see errors")
    if late is not None and late > budget_ms:
        found.append(
            f"the client was late: p99 of actual - intended send is {late:.1f} ms, budget {budget_ms:g}; {_MORE}"
        )
    if lag is not None and lag > budget_ms:
        found.append(
            f"the client's event loop lagged: p99 {lag:.1f} ms, budget {budget_ms:g}; {_MORE}, on a quieter machine"
        )
    if client.cpu_share > CPU_LIMIT:
        found.append(
            f"the client used {client.cpu_share:.0%} of a core, at most {CPU_LIMIT:.0%} leaves it in time; {_MORE}"
        )
    if report.requested_concurrency is None and report.sent > 50:
        spans = [report.sent / max(rate, 1e-9) for rate in (report.achieved_rate, scheduled_rate)]
        if abs(spans[0] - spans[1]) > max(RATE_TOLERANCE * spans[1], 0.002 * budget_ms):
            found.append(
                f"{report.achieved_rate:.2f} requests a second were sent where {scheduled_rate:.2f} were scheduled"
            )
        asked, achieved = client.dispersion_asked, client.dispersion_achieved
        if (
            asked is not None
            and achieved is not None
            and abs(achieved - asked) > DISPERSION_TOLERANCE * max(1.0, asked)
        ):
            found.append(
                f"arrivals were not those asked for: index of dispersion {achieved:.2f}, scheduled {asked:.2f}; {_MORE}"
            )
    return tuple(found)


def collect_warnings(
    report: LoadReport,
    *,
    rows_unfinished: int,
    partial: str,
    stats: Sequence[SenderStats],
    asked_output: Lengths,
    endpoint: str,
) -> tuple[str, ...]:
    """What a reader must know of a run that is otherwise as asked for."""
    found = []
    if partial:
        found.append(f"partial: {partial} after {report.duration_s:.1f} s; the numbers are of what was sent until then")
    if rows_unfinished:
        found.append(
            f"{rows_unfinished} requests were still under way at the end and are in no latency, so the slowest are "
            "missing; give --drain more time"
        )
    if report.failed:
        said = {cause: words for one in stats for cause, words in one.error_texts.items()}
        words = "; ".join(f"{cause}: {text}" for cause, text in said.items())
        found.append(f"{report.failed} of {report.sent} requests failed" + (f" ({words})" if words else ""))
    if report.tokens_from == "estimated":
        found.append(
            "token counts are estimated, the server reports no usage: TPOT and tokens a second are rough; give "
            "--tokenizer tokenizer.json"
        )
    if report.answered and report.streamed and not report.ttft_ms.n:
        found.append("no answer came as a stream with text, so there is no time to a first token")
    mean = report.output_tokens_mean
    counted = endpoint != "embeddings" and report.tokens_from == "usage" and asked_output.kind == "fixed"
    if counted and mean is not None and abs(mean - asked_output.a) > 0.05 * asked_output.a:
        found.append(
            f"answers have {mean:.1f} tokens where {asked_output.a:g} were asked for; "
            "vLLM and SGLang take --body '{\"ignore_eos\": true}'"
        )
    if 0 < report.answered < 100:
        found.append(f"{report.answered} answers are few: p99 is the slowest of them, and no interval is given")
    retried = sum(one.retried for one in stats)
    if retried:
        found.append(f"{retried} requests were sent again because the server had closed a kept connection")
    return tuple(found)
