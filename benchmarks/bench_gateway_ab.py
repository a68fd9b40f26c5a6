"""The gateway of this checkout beside that of another one, such as an earlier commit: same machine, same load, one run.

    git worktree add /tmp/before COMMIT
    python benchmarks/bench_gateway_ab.py /tmp/before --rounds 10
    python benchmarks/bench_gateway_ab.py . --privacy gdpr            # one checkout without the guard, and with it

Both deployments stand all the time, one worker each on core 0; load and mock upstream are on core 1, and only one of
the two is asked at a time, the order changing from round to round. What counts is the worker's processor time of a
request and of a relayed event: it holds on a machine that others use, where requests a second do not. Printed are the
medians, and of the ratios (after / before, of one round each) the median and the middle half.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench_gateway import Mock, Up, additions_s, load

HERE = Path(__file__).resolve().parent
CHUNKS, GAP_MS, STREAMS, CONNECTIONS = 64, 5.0, 32, 32
# A message that nobody sent before, and one that comes again as the turns of a conversation do.
PERSONAL = (
    "Where is my order of NNNNNN parts? "
    "I am Zoltan Quill, zoltan@example.com, +49 30 901820, 12 Main Street, Springfield."
)
WHAT = {  # as printed, and whether more is better
    "whole answers: processor time us a request": False,
    "whole answers: requests/s": True,
    "streams: processor time us an event": False,
}


def processor_s(pid: int) -> float:
    """Seconds that all threads of a process have run, to the nanosecond."""
    times = (Path(thread, "schedstat").read_text().split()[0] for thread in Path(f"/proc/{pid}/task").iterdir())
    return sum(int(nanoseconds) for nanoseconds in times) / 1e9


@contextmanager
def deployed(checkout: Path, folder: Path, mock: Mock, privacy: str = "off") -> Iterator[Up]:
    """A deployment of the source in a checkout, in the interpreter that runs this."""
    config = folder.with_suffix(".yaml")
    config.write_text(f'privacy: {{profile: "{privacy}"}}\n')  # quoted: earlier releases read a bare off as false
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(checkout / "src")
    try:
        up = Up(folder, "--model", mock.url, "--config", str(config))
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before
    try:
        yield up
    finally:
        up.stop()


def measure(up: Up, seconds: float) -> dict[str, float]:
    """One round of one deployment."""
    worker = up.worker()
    used = processor_s(worker)
    rate = load("rate", up.url, up.key, "mock", CONNECTIONS, seconds)
    request_us = (processor_s(worker) - used) / (rate["requests_per_s"] * seconds) * 1e6
    used = processor_s(worker)
    found = load("streams", up.url, up.key, "mock", STREAMS, seconds)
    spent_us = (processor_s(worker) - used) * 1e6
    names = iter(WHAT)
    return {
        next(names): request_us,
        next(names): rate["requests_per_s"],
        next(names): spent_us / found["events"],
    }


def summarise(before: list[float], after: list[float]) -> dict[str, float]:
    """Medians of both, and of the rounds' ratios the quartiles."""
    low, middle, high = statistics.quantiles([b / a for a, b in zip(before, after, strict=True)], n=4)
    return {
        "before": statistics.median(before),
        "after": statistics.median(after),
        "ratio": middle,
        "ratio_low": low,
        "ratio_high": high,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="checkout to compare this one with")
    parser.add_argument("--privacy", default="off", help="a profile: the one checkout without the guard, and with it")
    parser.add_argument("--again", action="store_true", help="with --privacy: the same message in every request")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended then, too
    if given.privacy != "off":
        os.environ["BENCH_CONTENT"] = PERSONAL.replace("NNNNNN", "123") if given.again else PERSONAL
    after_it = HERE.parent if given.privacy == "off" else given.before.resolve()
    mock, speeds = Mock(CHUNKS, GAP_MS), [additions_s()]
    found: dict[str, dict[str, list[float]]] = {side: {what: [] for what in WHAT} for side in ("before", "after")}
    with (
        tempfile.TemporaryDirectory() as name,
        deployed(given.before.resolve(), Path(name, "before"), mock) as before,
        deployed(after_it, Path(name, "after"), mock, given.privacy) as after,
    ):
        both = [("before", before), ("after", after)]
        for up in (before, after):
            measure(up, 0.5)  # warm
        for number in range(given.rounds):
            for side, up in both if number % 2 else reversed(both):
                for what, value in measure(up, given.seconds).items():
                    found[side][what].append(value)
    mock.stop()
    speeds.append(additions_s())
    result = {what: summarise(found["before"][what], found["after"][what]) for what in WHAT}
    if given.json:
        print(json.dumps(result, indent=2))
        return
    for what, more_is_better in WHAT.items():
        one = result[what]
        better = "higher is better" if more_is_better else "lower is better"
        print(
            f"{what:<48} {one['before']:>9.1f} {one['after']:>9.1f}  x {one['ratio']:.3f} "
            f"({one['ratio_low']:.3f} to {one['ratio_high']:.3f}), {better}"
        )
    print(f"this machine: 5 million additions in {min(speeds):.2f} to {max(speeds):.2f} s")


if __name__ == "__main__":
    main()
