"""Load tests against real servers: one of known timing, and one that fails in every way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from conftest import ROOT, STEWARD, inside, run, until
from steward.core.errors import InputError, Unavailable
from steward.core.load_report import read_load_report
from steward.loadtest.config import Arrival, LoadConfig
from steward.workflows.loadtest.find_max import find_max
from steward.workflows.loadtest.monitors import MonitorOptions
from steward.workflows.loadtest.ray import run_on_ray
from steward.workflows.loadtest.run import run_load
from steward.workflows.loadtest.selftest import selftest

BUDGET_MS = 5000.0  # of the client's lateness: the tests share their machine


def started(*command: str) -> Iterator[str]:
    process = subprocess.Popen([sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdin is not None
    yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    process.stdin.close()
    process.wait(60)
    process.stdout.close()


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    """First token after 60 ms, then one every 5 ms."""
    yield from started("-m", "steward.processes.echo", '{"first_ms": 60, "gap_ms": 5}')


@pytest.fixture(scope="module")
def rude() -> Iterator[str]:
    yield from started(str(ROOT / "tests" / "rude_server.py"))


def config(url: str, **given: Any) -> LoadConfig:
    basics: dict[str, Any] = {"model": "m", "arrival": Arrival(rate=50), "requests": 20, "output_tokens": "8"}
    return LoadConfig(url=url, input_tokens="16", late_budget_ms=BUDGET_MS, **(basics | given))


def load(url: str, **given: Any) -> Any:
    return run_load(config(url, **given)).report


def test_known_timing_is_measured_as_it_is(echo: str) -> None:
    found = load(echo, requests=100)
    assert found.answered == 100 and found.tokens_from == "usage" and found.output_tokens_mean == 8
    assert 60 <= found.from_actual_send.ttft_ms.p50 < 110  # never less than the truth; more on a busy machine
    assert found.tpot_ms.p50 == pytest.approx(5, abs=2) and 95 <= found.e2e_ms.p50 < 160  # 60 + 7 * 5
    assert found.ttft_ms.p50 >= found.from_actual_send.ttft_ms.p50 and found.valid


def test_processes_share_one_schedule(echo: str) -> None:
    one, four = (run_load(config(echo, requests=60, processes=count)) for count in (1, 4))
    assert [len(finished.results) for finished in (one, four)] == [1, 4] and four.report.answered == 60
    assert one.report.samples.at_s == four.report.samples.at_s


def test_a_closed_loop_keeps_its_users_busy(echo: str) -> None:
    """As many as its users at once and never more; by Little's law their mean is the rate times the time of a request,
    both over the whole run, whatever the machine does meanwhile. An answer takes at least 95 ms."""
    found = load(echo, arrival=Arrival(kind="concurrency", concurrency=6), requests=None, duration_s=1.5)
    assert found.concurrency_max == 6 and found.sent > 6 and found.e2e_ms.mean >= 95
    rate = found.sent / found.duration_s
    assert found.concurrency_mean == pytest.approx(rate * found.from_actual_send.e2e_ms.mean / 1000, rel=0.01)


def test_warmup_is_sent_and_left_out(echo: str) -> None:
    finished = run_load(config(echo, requests=None, duration_s=1.0, warmup_s=1.0))
    rows = len(finished.results[0].rows) // 56
    assert finished.report.sent < 0.75 * rows and finished.report.samples.at_s[0] < 0.5


def test_a_late_client_is_invalid_and_says_why(echo: str) -> None:
    finished = run_load(
        LoadConfig(url=echo, model="m", arrival=Arrival(rate=200), requests=60, output_tokens="2", max_in_flight=2)
    )
    assert not finished.report.valid and "the client was late" in finished.report.invalid_reasons[0]
    intended, actual = finished.report.e2e_ms.p50, finished.report.from_actual_send.e2e_ms.p50
    assert intended > 3 * actual  # what coordinated omission would hide


@pytest.mark.parametrize(
    "model, errors",
    [("busy", {"http_429": 20}), ("closes", {"closed_mid_answer": 20}), ("noise", {"malformed": 20})],
)
def test_failures_have_their_cause(rude: str, model: str, errors: dict[str, int]) -> None:
    found = load(rude, model=model)
    assert found.errors == errors and not found.valid and found.failed == 20
    assert model != "busy" or "Too many requests" in " ".join(found.warnings)


def test_a_server_that_refuses_every_other_request(rude: str) -> None:
    found = load(rude, model="sometimes", slo="ttft_p50<1s")
    assert found.answered + found.errors["http_429"] == 20 and found.valid
    assert found.goodput_rate < found.sent / found.duration_s


def test_a_stall_ends_at_its_time(rude: str) -> None:
    found = load(rude, model="stalls", stall_s=0.5, requests=3)
    assert found.errors == {"stalled": 3} and found.duration_s < 5


def test_what_is_not_over_at_the_end_is_unfinished_and_told(rude: str) -> None:
    found = load(rude, model="stalls", drain_s=0.2, requests=3)
    assert found.errors == {"unfinished": 3} and "still in flight" in " ".join(found.warnings)


def test_without_usage_tokens_are_estimated_and_marked(rude: str) -> None:
    found = load(rude, model="no-usage")
    assert found.tokens_from == "estimated" and found.output_tokens_mean == 4  # 16 characters
    assert "estimated" in " ".join(found.warnings)


def test_several_tokens_in_an_event_are_counted_as_they_are(rude: str) -> None:
    found = load(rude, model="many")
    assert found.output_tokens_mean == 20 and found.tokens_per_event_mean == 5


def test_answers_without_tokens_have_no_first_one(rude: str) -> None:
    found = load(rude, model="none")
    assert found.answered == 20 and found.ttft_ms.n == 0 and found.tpot_ms.n == 0 and found.e2e_ms.n == 20


def test_a_server_that_hangs_up_after_each_answer(rude: str) -> None:
    found = load(rude, model="hangs-up", requests=40)
    assert found.answered == 40 and not found.errors and found.client.connections > 5


def test_whole_answers_and_vectors(rude: str) -> None:
    whole = load(rude, model="whole", stream=False)
    vector = load(rude, model="vector", endpoint="embeddings")
    assert whole.answered == vector.answered == 20 and whole.ttft_ms.n == 0 and vector.input_tokens_mean == 3


def test_conversations_carry_what_was_said(rude: str) -> None:
    finished = run_load(config(rude, model="turns", requests=10, turns=3, think_s=0.05))
    assert finished.report.answered == 30 and finished.report.valid
    assert not finished.report.output_tokens.intervals


def test_a_closed_loop_of_conversations_ends(rude: str) -> None:
    arrival = Arrival(kind="concurrency", concurrency=2)
    assert load(rude, model="turns", arrival=arrival, requests=6, turns=2).answered == 12


def test_too_many_errors_stop_the_run(rude: str) -> None:
    found = load(rude, model="busy", requests=None, duration_s=20, max_error_share=0.5)
    assert found.partial and found.duration_s < 5 and "--max-errors" in " ".join(found.warnings)


def test_e15_a_server_that_refuses_every_request_is_not_asked_on(rude: str) -> None:
    """A wrong model, key or path; a server that is only busy (429) is, for that is what a test may look for."""
    found = load(rude, model="missing", requests=None, duration_s=20)
    assert found.partial and found.sent < 500 and "refused all of the first" in " ".join(found.warnings)
    assert not load(rude, model="busy", requests=60).partial


def test_the_servers_own_numbers_are_on_the_same_axis(rude: str) -> None:
    finished = run_load(config(rude, requests=None, duration_s=2.5), monitor=MonitorOptions(gpu=False))
    (track,) = finished.report.tracks
    assert track.name == "requests running" and set(track.values) == {3.0} and max(track.at_s) < 4


def test_no_such_host_and_nobody_there() -> None:
    with pytest.raises(Unavailable, match="no such host"):
        load("http://nobody.invalid:1")
    with pytest.raises(Unavailable, match="is the server running there"):
        load("http://127.0.0.1:9")


def test_a_header_that_would_split_the_request(echo: str) -> None:
    with pytest.raises(InputError, match="on one line"):
        load(echo, headers=(("x-a", "b\r\nx-c: d"),))


def test_the_command_writes_json_csv_and_a_page(echo: str, tmp_path: Path) -> None:
    # users who wait: on a busy machine they ask later, and an open loop's run would rightly be invalid
    command = ["load", "run", echo, "--model", "m", "--concurrency", "4", "--requests", "120", "--output-tokens", "4"]
    files = ["--out", "r.json", "--csv", "r.csv", "--html", "r.html", "--late-budget", str(BUDGET_MS)]
    ended = run(*command, *files, "--slo", "ttft_p95<5s", "--json", cwd=tmp_path)
    printed = json.loads(ended.stdout)
    assert ended.returncode == 0, (printed["invalid_reasons"], printed["slo_terms"], ended.stderr)
    assert printed["slo_met"] is True and printed["ttft_ms"]["p99"] >= printed["from_actual_send"]["ttft_ms"]["p50"]
    assert read_load_report(tmp_path / "r.json").answered == 120
    assert len((tmp_path / "r.csv").read_text().splitlines()) == 121
    page = (tmp_path / "r.html").read_text()
    assert "Objective met" in page and "<script" not in page and "http-equiv" in page and len(page) < 500_000


def test_an_objective_that_is_missed_is_exit_1(echo: str) -> None:
    ended = run("load", "run", echo, "--model", "m", "--rate", "50", "--requests", "120", "--slo", "ttft_p95<1ms")
    assert ended.returncode in (1, 3) and "missed" in ended.stdout


def test_a_full_disk_keeps_the_numbers_on_the_screen(echo: str) -> None:
    ended = run("load", "run", echo, "--model", "m", "--rate", "50", "--requests", "10", "--out", "/dev/full")
    assert ended.returncode == 4 and "No space left on device" in ended.stderr and "10 answered" in ended.stdout


def test_a_trace_is_replayed_at_its_times(echo: str, tmp_path: Path) -> None:
    lines = [{"timestamp": 100 * n, "input_length": 10, "output_length": 2 + n % 3} for n in range(10)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, lines)))
    ended = run("load", "replay", str(tmp_path / "t.jsonl"), echo, "--model", "m", "--speed", "2", "--json",
                "--late-budget", str(BUDGET_MS))  # fmt: skip
    found = json.loads(ended.stdout)
    assert ended.returncode == 0 and found["samples"]["at_s"] == pytest.approx([0.05 * n for n in range(10)])
    assert found["samples"]["output_tokens"] == [2 + n % 3 for n in range(10)]


def test_ctrl_c_keeps_a_report_that_says_it_is_partial(echo: str, tmp_path: Path) -> None:
    command = [*STEWARD, "load", "run", echo, "--model", "m", "--rate", "50", "--duration", "30s", "--out", "r.json"]
    urllib.request.urlopen(f"{echo}/lateness").close()
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True)
    until(lambda: urllib.request.urlopen(f"{echo}/lateness").read() != b"{}", 30)
    time.sleep(1)
    os.kill(process.pid, signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    found = read_load_report(tmp_path / "r.json")
    assert process.returncode == 130 and found.partial and found.answered > 10 and "partial: interrupted" in printed


@pytest.fixture(scope="module")
def four_slots() -> Iterator[str]:
    """40 ms in each of four slots: exactly 100 requests a second."""
    yield from started("-m", "steward.processes.echo", '{"first_ms": 20, "gap_ms": 5, "tokens": 5, "slots": 4}')


def test_find_max_finds_a_known_capacity(four_slots: str) -> None:
    objective = config(
        four_slots, arrival=Arrival(kind="constant", rate=1.0), slo="ttft_p95<250ms", warmup_s=0.5, requests=None,
        duration_s=1.0,
    )  # fmt: skip
    found = find_max(objective, trial_s=2.0, start=90.0, tolerance=0.1)
    assert found.rate is None or found.rate < 110  # a busy machine holds less, none holds more
    assert found.fails_at is None or found.fails_at < 115
    if found.verdict == "found":  # a rate is tried again where an answer of a busy machine contradicts another
        answers = {(trial.rate, trial.answer) for trial in found.trials}
        assert {(found.rate, "holds"), (found.fails_at, "fails")} <= answers and found.rate < found.fails_at


def test_a_sweep_sees_where_it_saturates(four_slots: str, tmp_path: Path) -> None:
    command = ["load", "sweep", four_slots, "--model", "m", "--rates", "40,200", "--step", "2s", "--warmup", "0s"]
    ended = run(*command, "--late-budget", str(BUDGET_MS), "--json", "--html", "s.html", cwd=tmp_path)
    found = json.loads(ended.stdout)
    assert ended.returncode == 0 and found["saturates_at"] == 200 and 70 < found["capacity_rate"] < 105
    assert [point["saturated"] for point in found["points"]] == [False, True]
    assert "saturated from 200" in (tmp_path / "s.html").read_text()


def test_find_max_without_a_rate_that_holds(echo: str) -> None:
    impossible = config(echo, slo="ttft_p95<1ms", requests=None, duration_s=1.0)
    found = find_max(impossible, trial_s=0.5)
    assert found.verdict == "not_even_the_lowest" and found.rate is None


def test_compare_is_a_gate(echo: str, tmp_path: Path) -> None:
    for name, tokens in (("a", "4"), ("b", "4"), ("c", "24")):
        report = load(echo, arrival=Arrival(kind="concurrency", concurrency=8), requests=200, output_tokens=tokens)
        (tmp_path / name).write_bytes(msgspec.json.encode(report))
    alike = inside("load", "compare", "a", "b", "--margin", "20", cwd=tmp_path)
    slower = inside("load", "compare", "a", "c", "--metric", "e2e_p50", "--json", cwd=tmp_path)
    assert alike.returncode == 0 and "no worse" in alike.stdout
    assert slower.returncode == 3 and "output tokens a request" in slower.stdout  # another load is no comparison
    assert inside("load", "compare", "a", "nothing", cwd=tmp_path).returncode == 2


def test_the_selftest_measures_this_client() -> None:
    found = selftest(rates=(20.0,), step_s=2.0)
    (step,) = found.steps
    assert 0 <= step.ttft_error_p50_ms < 50 and step.achieved_rate == pytest.approx(20, rel=0.5) and found.start_s < 20


def test_ray_tasks_share_the_schedule_of_one_process(echo: str) -> None:
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    one = run_load(config(echo, requests=40)).report
    two = run_on_ray(config(echo, requests=40, processes=2)).report
    assert two.answered == 40 and two.processes == 2 and two.samples.at_s == one.samples.at_s


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Answers over TLS with a certificate of its own: URL and the certificate's path."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    server = started(str(ROOT / "tests" / "rude_server.py"), str(certificate), str(key))
    yield next(server).replace("http://127.0.0.1", "https://localhost"), str(certificate)
    next(server, None)


def test_tls_with_a_certificate_to_trust(tls: tuple[str, str]) -> None:
    url, certificate = tls
    assert load(url, ca_file=certificate, requests=5).answered == load(url, insecure=True, requests=5).answered == 5
    with pytest.raises(Unavailable, match="TLS failed"):
        load(url)
    with pytest.raises(InputError, match="PEM"):
        load(url, ca_file=__file__)


def test_a_tokenizer_counts_where_the_server_does_not(rude: str, tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers", reason="the library `tokenizers` is not installed")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    found = load(rude, model="no-usage", tokenizer=str(tmp_path / "tokenizer.json"))
    assert found.tokens_from == "tokenizer" and found.output_tokens_mean == 2  # "eight characters"


def test_a_run_from_another_thread(rude: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(load, rude, requests=5).result().answered == 5
