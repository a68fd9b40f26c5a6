"""S10: what the engine's library prints once it serves, straight to the descriptors, goes nowhere."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import os, sys
from steward.processes.engine import silence_output
os.write(2, b"loading\\n")
silence_output()
os.write(1, b"grammar: 4111 1111 1111 1111\\n")
os.write(2, b"grammar: 4111 1111 1111 1111\\n")
sys.stderr.write("engine: what it says itself\\n")
"""


def test_the_engine_prints_no_words_of_a_request() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout == "" and done.stderr == "loading\nengine: what it says itself\n"
