"""What drawing an arm and noting it costs the gateway: processor time of its worker a request, with and without.

    python benchmarks/bench_release_cost.py --rounds 5 --seconds 3

One home serves the same route in turns without a release and in one at 50 % whose candidate is a model of the same
mock upstream, so that the only difference is the draw, its record and the guards' fields. Medians over rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench_gateway import Mock, Up, cpu_s, load

FILE = """
watch: false
models:
  - {name: old, backend: openai, url: "URL"}
  - {name: new, backend: openai, url: "URL"}
routes:
  - {name: support, targets: [{model: old}]}
release: {steps: [0.5], shadow: {sample: 0}, guards: {judge: {required: false}}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    arguments = parser.parse_args()
    mock = Mock(1, 0)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        file = Path(place) / "steward.yaml"
        file.write_text(FILE.replace("URL", mock.url))
        up = Up(Path(place) / "up", "--config", str(file))
        try:
            costs: dict[str, list[float]] = {"without": [], "with": []}
            measure(up, arguments.seconds)  # warm
            for _ in range(arguments.rounds):
                costs["without"].append(measure(up, arguments.seconds))
                release(up, "start", "support", "--candidate", "new")
                costs["with"].append(measure(up, arguments.seconds))
                release(up, "rollback", "support")
        finally:
            up.stop()
            mock.stop()
    without, during = (statistics.median(costs[name]) for name in ("without", "with"))
    print(json.dumps({name: [round(one, 1) for one in values] for name, values in costs.items()}))
    print(f"{without:.1f} µs a request without, {during:.1f} µs in a release: {during / without - 1:+.1%}")


def measure(up: Up, seconds: float) -> float:
    """Microseconds of the worker's processor time a request."""
    before = cpu_s(up.worker())
    found = load("rate", up.url, up.key, "support", 16, seconds)
    requests: float = found["requests_per_s"] * seconds
    return float(cpu_s(up.worker()) - before) / requests * 1e6


def release(up: Up, *words: str) -> None:
    command = [sys.executable, "-m", "steward", "release", *words, "--home", str(up.home)]
    subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    main()
