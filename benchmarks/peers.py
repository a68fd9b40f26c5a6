"""The peers of the gateway benchmark, each installed once into a scratch environment under build/bench.

Gateways: LiteLLM's proxy (PyPI), Portkey's (npm, needs node) and SMG, a router in Rust (PyPI). Bare proxies: nginx
(Debian) and `bare_proxy.py`, as it stands and compiled by mypyc. None is ever a dependency of steward. All are started
as their documentation says, with one worker, pinned to the core that steward's worker gets.
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
from urllib.parse import urlsplit

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent / "build" / "bench"
LITELLM_KEY: Final = "sk-bench"
CONFIG: Final = """model_list:
  - model_name: mock
    litellm_params: {{model: openai/mock, api_base: "{upstream}/v1", api_key: none}}
general_settings: {{master_key: {key}}}
litellm_settings: {{telemetry: false, set_verbose: false}}
"""
NGINX: Final = """daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors;
events {{worker_connections 8192;}}
http {{
  access_log off; keepalive_requests 100000000; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  upstream mock {{server {place}; keepalive 2048; keepalive_requests 100000000;}}
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    location / {{proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header connection ""; proxy_buffering off;}}
  }}
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Peer:
    """A running peer, ended by its id. `ready`: the path that answers with 200 once it is; "": any answer will do."""

    def __init__(self, name: str, command: list[str], port: int, key: str, target: str = "", ready: str = "") -> None:
        self.name, self.url, self.key, self.target, self._ready = name, f"http://127.0.0.1:{port}", key, target, ready
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
            with urllib.request.urlopen(self.url + (self._ready or "/"), timeout=2):
                return True
        except urllib.error.HTTPError:
            return not self._ready
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


def proportional_mb(pid: int) -> float:
    """Resident memory with each page divided by the number of processes that share it (proc_pid_smaps(5): Pss)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6


def mapped_mb(pid: int, ending: str) -> float:
    """Resident memory of mapped files whose names end so (proc_pid_smaps(5))."""
    total_kb, matches = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if not line.split(maxsplit=1)[0].endswith(":"):
            matches = line.endswith(ending)
        elif matches and line.startswith("Rss:"):
            total_kb += int(line.split()[1])
    return total_kb * 1024 / 1e6


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


def smg(upstream: str) -> Peer:
    """Neither keys nor limits: they are off where none is configured."""
    folder = ROOT / "smg"
    command = folder / "bin" / "smg"
    if not command.exists():
        print("installing SMG into build/bench (once)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "--quiet", "smg==1.13.0"], check=True)
    port = free_port()
    arguments = [
        "launch",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--worker-urls",
        upstream,
        "--log-level",
        "error",
    ]
    arguments += ["--policy", "round_robin", "--prometheus-host", "127.0.0.1", "--prometheus-port", str(free_port())]
    return Peer("SMG", [str(command), *arguments], port, "none", ready="/readiness")


def nginx(upstream: str) -> Peer | None:
    """None where it is not installed. Answers are passed on as they come, as a stream needs."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        print("no nginx here (apt-get install nginx-light): it is left out", file=sys.stderr)
        return None
    folder, port = ROOT / "nginx", free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, place=urlsplit(upstream).netloc, port=port))
    return Peer("nginx", [program, "-p", str(folder), "-c", str(config), "-e", str(folder / "errors")], port, "none")


def bare_proxy(upstream: str) -> Peer:
    """The least that a proxy in Python takes."""
    port = free_port()
    return Peer("bare proxy", [sys.executable, str(HERE / "bare_proxy.py"), str(port), upstream], port, "none")


def compiled_bare_proxy(upstream: str) -> Peer | None:
    """The same source compiled by mypyc, anew each time; None without mypyc or a compiler."""
    folder, port = ROOT / f"bare-{sys.implementation.cache_tag}", free_port()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(HERE / "bare_proxy.py", folder)
    if subprocess.run([sys.executable, "-m", "mypyc", "bare_proxy.py"], cwd=folder, capture_output=True).returncode:
        print("mypyc did not compile the bare proxy: it is left out", file=sys.stderr)
        return None
    (folder / "bare_proxy.py").unlink()
    run = f"import sys; sys.path.insert(0, {str(folder)!r}); import bare_proxy; bare_proxy.main()"
    return Peer("bare proxy, compiled", [sys.executable, "-c", run, str(port), upstream], port, "none")
