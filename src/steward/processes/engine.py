"""An engine: one GGUF file behind a Unix socket, until the supervisor says stop or is gone."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

import msgspec

from steward.adapters.engines.embedded import serve
from steward.processes.lifeline import disable_core_dumps, end_with_supervisor, report_errors
from steward.workflows.serve.plan import ModelPlan


def silence_output() -> None:
    """Let what llama.cpp prints go nowhere from now on: it quotes requests (a grammar that does not parse, a prompt).

    What this process itself has to say goes on where it went.
    """
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        stream.flush()
        kept = os.fdopen(os.dup(number), "w", buffering=1)
        setattr(sys, "stdout" if number == 1 else "stderr", kept)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def main() -> None:
    """`python -m steward.processes.engine --model JSON --alive-fd N`; the JSON is the model's part of the plan."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--alive-fd", type=int, required=True)
    arguments = parser.parse_args()
    disable_core_dumps()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_supervisor(arguments.alive_fd, 5.0)
    model = msgspec.json.decode(arguments.model, type=ModelPlan)
    assert model.path and model.socket
    server = serve(
        Path(model.path), Path(model.socket), model.name, model.context, model.slots, model.threads, model.embeddings
    )
    silence_output()
    while not stop.wait(1.0):
        pass
    Path(model.socket).unlink(missing_ok=True)
    del server
    sys.stdout.flush()
    os._exit(0)  # llama.cpp's HTTP threads may hold open streams; the supervisor stops us after the workers


if __name__ == "__main__":
    with report_errors("engine"):
        main()
