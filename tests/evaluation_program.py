"""Scores a trial: items are right where the parameter is near 0.7; a mode makes it go wrong."""

import json
import os
import random
import sys
import time
from pathlib import Path


def main() -> int:
    job = json.loads(Path(os.environ["STEWARD_TRIAL"]).read_text())
    x, mode = job["parameters"]["x"], job["parameters"].get("mode", "")
    with open(Path(job["items"]).parent.parent / "asked.txt", "a") as file:
        file.write(f"{job['trial']} {job['slice']} {job['count']}\n")
    if mode == "dies" or (os.environ.get("DIE_AT") == str(job["trial"])):
        return 3
    if mode == "hangs":
        time.sleep(600)
    items = Path(job["items"]).read_text().splitlines()
    chance = random.Random(f"{x} {job['slice']}")
    scores = [float(chance.random() < 1 - abs(x - 0.7)) for _ in items]
    if mode == "nonsense":
        scores[0] = 7.0
    result = {"scores": scores, "metrics": {"latency_s": x}}
    Path(job["result"]).write_text(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
