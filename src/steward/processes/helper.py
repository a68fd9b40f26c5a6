"""A worker's helper: reads and checks large bodies, so that no other request waits for it. Ends with its worker."""

from __future__ import annotations

import argparse
import gc
import logging
import signal
from multiprocessing.connection import Connection

from steward.adapters.executors.helper import serve
from steward.processes.lifeline import disable_core_dumps, report_errors


def main() -> None:
    """`python -m steward.processes.helper --fd N`"""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    arguments = parser.parse_args()
    disable_core_dumps()
    logging.basicConfig(level=logging.WARNING, format="helper %(levelname)s %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the worker says when to end
    gc.disable()  # values of JSON form no cycles, and a million of them would be looked at again and again
    serve(Connection(arguments.fd))


if __name__ == "__main__":
    with report_errors("helper"):
        main()
