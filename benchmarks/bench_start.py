"""What an installation weighs and how long it takes to answer.

    make bench-start

Installs the base and the extra `embedded` into scratch environments, bytecode compiled, and times `steward up`
to its first 200 from /readyz and `steward --help`, medians of five.
"""

from __future__ import annotations

import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent


def install(folder: Path, what: str) -> Path:
    """The environment's steward command."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--compile", what]
    subprocess.run(pip, check=True, cwd=ROOT, stderr=subprocess.DEVNULL)
    compile_all = [str(folder / "bin" / "python"), "-m", "compileall", "-q", str(folder / "lib")]
    subprocess.run(compile_all, check=False, stdout=subprocess.DEVNULL)
    return folder / "bin" / "steward"


def megabytes(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_symlink()) / 1e6


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def seconds_to_ready(steward: Path, home: Path) -> float:
    port = free_port()
    command = [str(steward), "up", "--home", str(home), "--port", str(port), "--console-port", "0"]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        while time.perf_counter() - start < 30:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
                    return time.perf_counter() - start
            except (urllib.error.URLError, OSError):
                time.sleep(0.01)
        raise SystemExit("not ready in 30 s")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def seconds_of_help(steward: Path) -> float:
    start = time.perf_counter()
    subprocess.run([str(steward), "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def median(measure: Callable[[int], float]) -> float:
    return statistics.median(measure(number) for number in range(5))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = install(folder / "base", ".")
        embedded = install(folder / "embedded", ".[embedded]")
        print(f"base install, MB                 {megabytes(folder / 'base'):8.1f}")
        print(f"with embedded, MB                {megabytes(folder / 'embedded'):8.1f}")
        print(f"steward up to ready, s           {median(lambda n: seconds_to_ready(embedded, folder / f'h{n}')):8.2f}")
        print(f"steward --help, ms               {median(lambda n: seconds_of_help(base)) * 1000:8.0f}")


if __name__ == "__main__":
    main()
