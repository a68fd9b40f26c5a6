"""A home that serves, without its processes: a supervisor's reloader in a thread, which applies nothing."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from steward.core.errors import Unavailable
from steward.core.files import write_file
from steward.processes.reloader import Reloader
from steward.workflows import reload
from steward.workflows.keys import open_keys
from steward.workflows.reload import ConfigSource
from steward.workflows.serve.deployment import find_deployment

SETTINGS = """\
# what serves
gateway:
  port: 8080  # ours
models:
  - {name: big, backend: openai, url: "http://127.0.0.1:9/v1"}
  - {name: small, backend: openai, url: "http://127.0.0.1:9/v1"}
routes:
  - name: assistant
    targets: [{model: big, weight: 95}, {model: small, weight: 5}]
"""


@contextmanager
def serve_home(folder: Path, text: str = SETTINGS, comes_up: bool = True) -> Iterator[Path]:
    """The home of `folder`, which has a steward.yaml of `text`; changes of it are served while this lasts. Unless it
    `comes_up`, no other configuration than the first does."""
    (folder / "steward.yaml").write_text(text)
    home = folder / ".steward"
    (home / "run").mkdir(parents=True, exist_ok=True)
    with open_keys(find_deployment(home), 1.0):
        pass
    source = ConfigSource(folder / "steward.yaml", {}, None, "1")
    first = reload.assign_number(reload.build_candidate(source, home), 1)
    write_plan(home, first.plan)
    reload.save_first_version(home, first)
    reload.save_source(home, source)
    state = {"pid": os.getpid(), "processes": [], "gateway_url": "http://127.0.0.1:9"}  # where nothing answers
    write_file(home / "run" / "state.json", json.dumps(state).encode())
    audit = find_deployment(home).open_audit_log()

    def apply(plan: Any) -> int:
        if not comes_up:
            raise Unavailable("an engine does not start")
        write_plan(home, plan)
        return int(plan.workers)

    reloader, ended = Reloader(source, home, first, apply, lambda note: None, audit), threading.Event()

    def follow() -> None:
        while not ended.wait(0.01):
            reloader.step()

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield home
    finally:
        ended.set()
        thread.join(30)


def write_plan(home: Path, plan: Any) -> None:
    write_file(home / "run" / "plan.json", msgspec.json.encode(plan))
