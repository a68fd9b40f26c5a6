"""The peers of the gateway benchmark, each installed once into a scratch environment under build/bench.

LiteLLM's proxy (PyPI) and Portkey's gateway (npm, needs node); neither is ever a dependency of steward. Both are
started as their documentation says, with one worker, pinned to the core that steward's worker gets.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent / "build" / "bench"
LITELLM_KEY: Final = "sk-bench"
CONFIG: Final = """model_list:
  - model_name: mock
    litellm_params: {{model: openai/mock, api_base: "{upstream}/v1", api_key: none}}
general_settings: {{master_key: {key}}}
litellm_settings: {{telemetry: false, set_verbose: false}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Peer:
    """A running peer, ended by its id."""

    def __init__(self, name: str, command: list[str], port: int, key: str, target: str = "") -> None:
        self.name, self.url, self.key, self.target = name, f"http://127.0.0.1:{port}", key, target
        quiet = {**os.environ, "LITELLM_LOG": "ERROR", "NODE_ENV": "production", "DO_NOT_TRACK": "1"}
        self.process = subprocess.Popen(
            command,
            env=quiet,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {0}),
        )
        limit = time.monotonic() + 120
        while not self._answers():
            if time.monotonic() > limit or self.process.poll() is not None:
                raise SystemExit(f"{name} does not start: {' '.join(command)}")
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + "/", timeout=2):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def memory_mb(self) -> float:
        """Resident memory of the process and its children."""
        return sum(resident_mb(pid) for pid in family(self.process.pid))

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def family(pid: int) -> list[int]:
    """The process and all below it."""
    found = [pid]
    for parent in found:
        children = Path(f"/proc/{parent}/task/{parent}/children")
        if children.exists():
            found += [int(child) for child in children.read_text().split()]
    return found


def resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def litellm(upstream: str) -> Peer:
    folder = ROOT / "litellm"
    command = folder / "bin" / "litellm"
    if not command.exists():
        print("installing LiteLLM into build/bench (once, a few minutes)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "--quiet", "litellm[proxy]"], check=True)
    config = ROOT / "litellm.yaml"
    config.write_text(CONFIG.format(upstream=upstream, key=LITELLM_KEY))
    port = free_port()
    arguments = ["--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    return Peer("LiteLLM", [str(command), *arguments], port, LITELLM_KEY)


def portkey(upstream: str) -> Peer | None:
    """None where there is no node."""
    if not shutil.which("npm"):
        print("no npm here: Portkey is left out", file=sys.stderr)
        return None
    folder = ROOT / "portkey"
    server = folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    if not server.exists():
        print("installing Portkey into build/bench (once)", file=sys.stderr)
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--no-audit", "@portkey-ai/gateway@1"], cwd=folder, check=True)
    port = free_port()
    command = ["node", str(server), f"--port={port}", "--headless"]
    return Peer("Portkey", command, port, "none", f"{upstream}/v1")
