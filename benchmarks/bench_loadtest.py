"""The load-testing client against a server of known timing, beside AIPerf and GuideLLM where their environments are.

    python benchmarks/bench_loadtest.py [--seconds 10] [--aiperf DIR] [--guidellm DIR] [--only ladder,start,…]

The client runs on core 0, the server (first token after 50 ms, 31 more every 10 ms) on core 1. `make bench-loadtest`
makes the peer's environment first. The part `memory` fills and reports a million records; `--only million`
sends them, which takes some minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FIRST_MS, GAP_MS, TOKENS = 50, 10, 32
STEWARD = [sys.executable, "-m", "steward", "load"]
ON_CORE_0 = ["taskset", "-c", "0"]
BUDGET = ["--late-budget", "1000"]  # validity is not what is measured here


@contextlib.contextmanager
def server(**timing: Any) -> Iterator[str]:
    """The echo server on core 1."""
    command = [sys.executable, "-m", "steward.processes.echo", json.dumps(timing), "0", "1"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdin is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.stdin.close()
        process.wait(10)


def steward(*arguments: str) -> Any:
    done = subprocess.run([*ON_CORE_0, *STEWARD, *arguments, "--json"], capture_output=True, text=True, check=False)
    if not done.stdout:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def ladder(seconds: float) -> Iterator[tuple[str, str, str]]:
    """The highest rate with TTFT p50 error <= 1 ms and p99 <= 5 ms, by the server's own clock."""
    rates = "50,150,400,700,1000,1400,2000,2500"
    found = steward("selftest", "--rates", rates, "--step", f"{seconds}s")
    best = 0.0
    for step in found["steps"]:
        yield (
            f"steward at {step['rate']:g} req/s",
            f"TTFT error p50 {step['ttft_error_p50_ms']:+.2f}, p99 {step['ttft_error_p99_ms']:+.2f} ms",
            f"sent {step['achieved_rate']:.0f}/s, client CPU {step['cpu_share']:.0%}, "
            f"server's own lateness p99 {step['server_late_p99_ms']:.1f} ms",
        )
        if step["good"]:
            best = max(best, step["rate"])
    yield "one process, one core: highest good rate x 32 tokens", f"{best:g} req/s", "reach 1,000, stretch 2,500"


def beside(seconds: float, aiperf: Path | None, guidellm: Path | None) -> Iterator[tuple[str, str, str]]:
    """The same rates by each tool; the true time to a first token is 50 ms for all."""
    for rate in (50, 150, 400):
        with server(first_ms=FIRST_MS, gap_ms=GAP_MS, tokens=TOKENS) as url:
            found = steward("run", url, "--model", "echo", "--rate", str(rate), "--duration", f"{seconds}s",
                            "--input-tokens", "64", "--output-tokens", "32", *BUDGET)  # fmt: skip
        ttft = found["ttft_ms"]
        yield (
            f"steward, {rate} req/s",
            f"TTFT mean {ttft['mean']:.1f}, p50 {ttft['p50']:.1f}, p99 {ttft['p99']:.1f} ms",
            f"sent {found['achieved_rate']:.0f}/s, answered {found['answered']}",
        )
        for name, place, run in (("AIPerf", aiperf, run_aiperf), ("GuideLLM", guidellm, run_guidellm)):
            if place is None:
                continue
            with server(first_ms=FIRST_MS, gap_ms=GAP_MS, tokens=TOKENS) as url:
                yield (f"{name}, {rate} req/s", *run(place, url, rate, seconds))


def run_aiperf(place: Path, url: str, rate: int, seconds: float) -> tuple[str, str]:
    """Its own process tree on core 0. (Told to be offline, it takes no path of a tokenizer.)"""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer(place, Path(folder) / "tokenizer")
        command = [
            *ON_CORE_0, str(place / "bin" / "aiperf"), "profile", "--model", "echo", "--url", url, "--streaming",
            "--endpoint-type", "chat", "--request-rate", str(rate), "--request-count", str(int(rate * seconds)),
            "--synthetic-input-tokens-mean", "64", "--output-tokens-mean", "32",
            "--tokenizer", f"{folder}/tokenizer", "--artifact-dir", f"{folder}/out", "--ui-type", "none",
        ]  # fmt: skip
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        took = time.monotonic() - began
        reports = list(Path(folder).rglob("profile_export_aiperf.json"))
        if not reports:
            return "no report", (done.stderr or done.stdout)[-200:].replace("\n", " ")
        found = json.loads(reports[0].read_text())
    ttft = found.get("time_to_first_token") or found["records"]["ttft"]
    sent = (found.get("request_throughput") or found["records"]["request_throughput"])["avg"]
    return (
        f"TTFT mean {ttft['avg']:.1f}, p50 {ttft['p50']:.1f}, p99 {ttft['p99']:.1f} ms",
        f"{sent:.0f}/s reached, {took:.0f} s for {seconds:g} s of load",
    )


def run_guidellm(place: Path, url: str, rate: int, seconds: float) -> tuple[str, str]:
    """GuideLLM 0.8's options."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer(place, Path(folder) / "tokenizer")
        command = [
            *ON_CORE_0, str(place / "bin" / "guidellm"), "run",
            "--backend", f"kind=openai_http,target={url.removesuffix('/v1')},model=echo",
            "--tokenizer", f"kind=huggingface_auto,model={folder}/tokenizer",
            "--data", "kind=synthetic_text,prompt_tokens=64,output_tokens=32",
            "--profile", f"kind=poisson,rate={rate}", "--constraint", f"kind=max_duration,seconds={seconds:g}",
            "--output", f"kind=json,path={folder}/out.json", "--disable-console",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=offline(), timeout=300)
        try:
            found = json.loads((Path(folder) / "out.json").read_text())["benchmarks"][0]["metrics"]
        except (OSError, KeyError, IndexError):
            return "no report", (done.stderr or done.stdout)[-200:].replace("\n", " ")
    ttft = found["time_to_first_token_ms"]["successful"]
    sent = found["requests_per_second"]["successful"]["mean"]
    spread = ttft["percentiles"]
    return (
        f"TTFT mean {ttft['mean']:.1f}, p50 {spread['p50']:.1f}, p99 {spread['p99']:.1f} ms",
        f"{sent:.0f}/s reached",
    )


def offline() -> dict[str, str]:
    return {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def tokenizer(place: Path, folder: Path) -> None:
    """One token a word, in the form in which the peers load one: nothing may be fetched."""
    code = (
        "import sys; from tokenizers import Tokenizer, models, pre_tokenizers, decoders\n"
        "from transformers import PreTrainedTokenizerFast as Fast\n"
        "words = {w: n for n, w in enumerate(['<unk>', '<s>', '</s>'] + [f'w{n}' for n in range(2000)])}\n"
        "made = Tokenizer(models.WordLevel(words, unk_token='<unk>'))\n"
        "made.pre_tokenizer = pre_tokenizers.Whitespace()\n"
        "Fast(tokenizer_object=made, unk_token='<unk>', bos_token='<s>', eos_token='</s>', pad_token='</s>')"
        ".save_pretrained(sys.argv[1])"
    )
    subprocess.run([str(place / "bin" / "python"), "-c", code, str(folder)], check=True, capture_output=True)


def start() -> Iterator[tuple[str, str, str]]:
    """From the command to the first byte of a request; the median of five."""
    took = sorted(first_request() for _ in range(5))
    yield "start to first request", f"{took[2]:.2f} s", "reach <= 1.5 s, stretch <= 0.7 s"


def first_request() -> float:
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    seen: list[float] = []

    def answer() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=read, args=(connection,), daemon=True).start()

    def read(connection: socket.socket) -> None:
        data = connection.recv(65536)
        if data.startswith(b"POST"):
            seen.append(time.monotonic())
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    threading.Thread(target=answer, daemon=True).start()
    began = time.monotonic()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    subprocess.run([*STEWARD, "run", url, "--model", "m", "--rate", "100", "--arrival", "constant", "--requests", "2"],
                   capture_output=True, check=False)  # fmt: skip
    listener.close()
    return seen[0] - began


def arrivals(seconds: float) -> Iterator[tuple[str, str, str]]:
    for processes in (1, 4):
        with server(first_ms=5, gap_ms=1, tokens=1) as url:
            found = steward("run", url, "--model", "echo", "--rate", "200", "--duration", f"{4 * seconds}s",
                            "--input-tokens", "8", "--output-tokens", "1", "--processes", str(processes))  # fmt: skip
        client = found["client"]
        achieved, asked = (client[f"dispersion_{which}"] or float("nan") for which in ("achieved", "asked"))
        yield (
            f"Poisson at 200 req/s, {processes} process{'es' * (processes > 1)}: index of dispersion of actual sends",
            f"{achieved:.2f} (scheduled {asked:.2f})",
            "reach 0.9-1.1",
        )


def maximum(seconds: float) -> Iterator[tuple[str, str, str]]:
    """Eight slots of 100 ms: exactly 80 requests a second."""
    with server(first_ms=50, gap_ms=10, tokens=6, slots=8) as url:
        found = steward("find-max", url, "--model", "echo", "--slo", "ttft_p95<500ms", "--arrival", "constant", *BUDGET,
                        "--trial", f"{seconds}s", "--input-tokens", "8", "--tolerance", "0.01")  # fmt: skip
    rate = found["rate"]
    error = "none" if rate is None else f"{rate:.2f} req/s for a true 80: {rate / 80 - 1:+.1%}"
    yield "find-max", f"{error}, {len(found['trials'])} trials", "reach 5 %, stretch 2 %"


def memory() -> Iterator[tuple[str, str, str]]:
    """What a process and the report need for a million requests, in processes of their own."""
    (client,) = map(int, subprocess.check_output([sys.executable, __file__, "--child", "recorder"]).split())
    held, report = map(int, subprocess.check_output([sys.executable, __file__, "--child", "report"]).split())
    yield (
        "memory of 1,000,000 requests, the most at one time",
        f"{max(client + held, report)} MB (sending process {client} beside a parent of {held}; after its end {report})",
        "reach <= 500 MB, stretch <= 200 MB",
    )


def million(requests: int) -> Iterator[tuple[str, str, str]]:
    """A real run, as fast as eight users go: short whole answers. The memory is the command's and its children's."""
    with server(first_ms=0, gap_ms=0, tokens=1) as url:
        command = [*ON_CORE_0, *STEWARD, "run", url, "--model", "echo", "--concurrency", "8", "--no-stream", "--json",
                   "--requests", str(requests), "--input-tokens", "8", "--output-tokens", "1", *BUDGET]  # fmt: skip
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        peaks: list[int] = []
        watching = threading.Thread(target=watch, args=(process, peaks))
        watching.start()
        assert process.stdout is not None
        found = json.loads(process.stdout.read())
        took = time.monotonic() - began
        watching.join()
    yield (
        f"memory of a run of {found['answered']:,} requests, the most at one time",
        f"{max(peaks)} MB (sending process {found['client']['peak_mb']:.0f})",
        f"reach <= 500 MB, stretch <= 200 MB; {took:.0f} s, {found['answered_rate']:,.0f} answers/s, "
        f"failed {found['errors'] or 'none'}",
    )


def watch(process: subprocess.Popen[bytes], peaks: list[int]) -> None:
    """Resident memory of a command and what it started, MB, five times a second."""
    while process.poll() is None:
        peaks.append(sum(resident_kb(pid) for pid in (process.pid, *children(process.pid))) // 1024)
        time.sleep(0.2)


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:  # it has ended
        return []


def resident_kb(pid: int) -> int:
    try:
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) if found else 0


def child(what: str) -> None:
    """Fills a recorder as a run does; `report` gets it through a pipe as the parent does, and reports."""
    if what == "recorder":
        from steward.loadtest.sender import Sender  # what a sending process has loaded

        recorder = filled()
        assert recorder.count == 1_000_000 and Sender is not None
    else:
        from steward.loadtest.config import Arrival, LoadConfig
        from steward.loadtest.recorder import SenderResult, SenderStats
        from steward.workflows.loadtest.files import encode_report
        from steward.workflows.loadtest.run import build_finished_run

        rows, gaps = bytearray(), bytes(800_000)
        with subprocess.Popen([sys.executable, __file__, "--child", "pipe"], stdout=subprocess.PIPE) as sending:
            assert sending.stdout is not None
            while part := sending.stdout.read(1 << 20):  # as workflows/loadtest/processes.py collects it
                rows += part
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
        config = LoadConfig(url="http://h", model="m", arrival=Arrival(rate=1000), requests=1_000_000)
        assert (
            len(
                encode_report(build_finished_run(config, [SenderResult(rows, gaps, SenderStats())], time.time()).report)
            )
            > 1000
        )
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def filled() -> Any:
    from steward.loadtest.recorder import Recorder

    recorder = Recorder()
    for number in range(1_000_000):
        first = 0.05 + (number % 97) * 1e-4
        recorder.add(number / 1000, 1e-4, first, first + 0.31, first + 0.311, 0.0, first, 64, 32, 32, 1, 360, 200, 0, 0)
    return recorder


PARTS = ("ladder", "beside", "start", "arrivals", "maximum", "memory")  # million, a real run, only when it is named


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--requests", type=int, default=1_000_000, help="of --only million")
    parser.add_argument("--aiperf", type=Path)
    parser.add_argument("--guidellm", type=Path)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child == "pipe":
        sys.stdout.buffer.write(filled().pack())
        return
    if given.child:
        child(given.child)
        return
    parts = {
        "ladder": lambda: ladder(given.seconds),
        "beside": lambda: beside(given.seconds, given.aiperf, given.guidellm),
        "start": start,
        "arrivals": lambda: arrivals(given.seconds),
        "maximum": lambda: maximum(given.seconds),
        "memory": memory,
        "million": lambda: million(given.requests),
    }
    print(
        f"| what | measured | |\n|---|---|---|  <!-- load {os.getloadavg()[0]:.1f}, {loop_s():.2f} s a loop of 5 M -->"
    )
    for name in given.only.split(","):
        for row in parts[name]():
            print("| " + " | ".join(re.sub(r"\s+", " ", cell) for cell in row) + " |", flush=True)


def loop_s() -> float:
    """Of five million additions: how fast the machine is today (0.18 to 0.33 s on the machine of performance.md)."""
    began, total = time.perf_counter(), 0
    for number in range(5_000_000):
        total += number
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
