"""A trainer of ten steps that does what its parameters say: the reference for the trainer `command`."""

import json
import os
import signal
import sys
import time
from pathlib import Path


def main() -> int:
    job = json.loads(Path(os.environ["STEWARD_JOB"]).read_text())
    mode = job["parameters"].get("mode", "")

    def tell(**event: object) -> None:
        with open(job["events"], "a") as file:
            file.write(json.dumps(event) + "\n")

    first = int(Path(job["resume_from"]).read_text()) + 1 if job["resume_from"] else 1
    tell(type="message", text=f"beginning with step {first}")
    for step in range(first, 11):
        loss = float("nan") if mode == "nan" and step == 5 else 1 / step
        tell(type="metric", step=step, steps=10, loss=loss)
        at = Path(job["checkpoints"]) / "at"
        at.write_text(str(step))
        tell(type="checkpoint", step=step, path=str(at))
        if step == 5 and not job["resume_from"]:
            if mode == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if mode == "hang":
                time.sleep(600)
            if mode == "error":
                tell(type="message", level="error", text="the rows are sour")
                return 7
            if mode == "cost":
                tell(type="cost", usd=100.0)
                time.sleep(600)
    artefact = Path(job["artefacts"]) / "model.gguf"
    if mode != "nothing":
        artefact.write_bytes(b"broken" if mode == "broken" else b"GGUF and more")
    return 0


if __name__ == "__main__":
    sys.exit(main())
