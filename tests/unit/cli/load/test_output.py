import msgspec
import pytest

from steward.cli.load.live import draw_progress
from steward.cli.load.output import describe_load, format_ms, show_report
from steward.cli.load.single import choose_exit_code
from steward.core.load_report import ClientHealth, LoadReport, Quantiles
from steward.loadtest.config import Arrival, LoadConfig
from steward.loadtest.ipc import SenderProgress
from steward.loadtest.recorder import SenderResult, SenderStats
from steward.workflows.loadtest.run import FinishedRun

GOOD = LoadReport(
    url="http://h/v1", model="m", arrival="poisson", started_at=0.0, duration_s=9.0, requested_rate=5.0,
    achieved_rate=5.013, sent=42, answered=42, failed=0, valid=True, ttft_ms=Quantiles(n=42, p50=25.0, p95=48.9),
    client=ClientHealth(late_ms=Quantiles(), loop_lag_ms=Quantiles(), cpu_share=0.2),
)  # fmt: skip
CONFIG = LoadConfig(url="http://h", model="m", arrival=Arrival(rate=1.0), duration_s=60.0)


def finished(stopped="", **fields):
    result = SenderResult(b"", b"", SenderStats(stopped=stopped))
    return FinishedRun(msgspec.structs.replace(GOOD, **fields), [result], CONFIG)


@pytest.mark.parametrize(
    "run, code",
    [
        (finished(), 0),
        (finished(slo="x", slo_met=True), 0),
        (finished(slo="x", slo_met=False), 1),
        (finished(slo="x", slo_met=None), 3),
        (finished(valid=False), 3),
        (finished(answered=0), 4),
        (finished(stopped="5 of 20 requests failed", partial=True), 3),
        (finished(stopped="interrupted", partial=True), 130),
        (finished(stopped="interrupted", partial=True, answered=0), 130),
    ],
)
def test_k9_exit_codes(run, code):
    assert choose_exit_code(run) == code


def test_the_objective_is_explained_term_by_term(capsys):
    show_report(msgspec.structs.replace(GOOD, slo="ttft_p95<1s", slo_met=None, slo_terms=("ttft_p95<1s: 2.4% beyond",)))
    printed = capsys.readouterr().out
    assert "objective ttft_p95<1s: undecided\n  ttft_p95<1s: 2.4% beyond\n" in printed
    assert "valid: the client kept its schedule" in printed and "time per output token" not in printed


def test_an_invalid_run_says_so(capsys):
    show_report(msgspec.structs.replace(GOOD, valid=False, invalid_reasons=("late",), errors={"http_429": 1200}))
    printed = capsys.readouterr().out
    assert "INVALID: late" in printed and "valid: the" not in printed and "http_429: 1,200" in printed


@pytest.mark.parametrize(
    "fields, said",
    [
        ({}, "5 req/s asked for, 5.01 sent"),
        ({"requested_rate": None, "requested_concurrency": 8}, "8 users"),
        ({"requested_rate": None, "arrival": "burst"}, "42 requests at once"),
        ({"requested_rate": None, "arrival": "trace"}, "5.01 req/s sent"),
    ],
)
def test_what_was_asked_for(fields, said):
    assert describe_load(msgspec.structs.replace(GOOD, **fields)) == said


def test_progress_is_of_all_processes():
    one = SenderProgress(
        at_s=2.0, sent=10, answered=8, failed=1, in_flight=1, output_tokens=100, ttft_ms=[10.0, 30.0, 20.0], late_ms=0.5
    )
    history = [5.0]
    lines = draw_progress(CONFIG, [one, msgspec.structs.replace(one, at_s=1.0, late_ms=0.25)], history).split("\n")
    assert lines[0] == "   2.0 of 60 s   20 sent   16 answered   2 failed   2 in flight"
    assert lines[1] == "       100 output tokens/s   client late by at most 0.5 ms" and history == [5.0, 20.0]
    assert lines[2] == "time to first token, p50 20 ms  ▃█"
    assert format_ms(None) is None and format_ms(1.26) == "1.3"
