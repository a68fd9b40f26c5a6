"""What is served, as every process reads it: its addresses, its file, and which names clients may ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from steward.core.errors import InputError
from steward.core.timeouts import ClientTimeouts, Timeouts
from steward.core.tls import ServerTls
from steward.gateway.health_plan import HealthPlan
from steward.gateway.limit_table import LimitTable
from steward.gateway.prompts import Prompt
from steward.gateway.queue_records import QueuePlan
from steward.gateway.route_records import Route, ServedRelease, Target
from steward.workflows.serve.plan import ServePlan, read_plan


def plan(home: str = "/h", **changes: Any) -> ServePlan:
    known: dict[str, Any] = {
        "home": home, "version": "1", "host": "127.0.0.1", "port": 8080, "console_host": "::1", "console_port": 8081,
        "workers": 1, "max_body_bytes": 1, "drain_s": 1.0, "client_timeouts": ClientTimeouts(), "timeouts": Timeouts(),
        "total_timeout_s": 1.0, "line": QueuePlan(), "health": HealthPlan(), "models": (), "routes": (),
        "limits": LimitTable(),
    }  # fmt: skip
    return ServePlan(**{**known, **changes})


def test_requests_get_the_prompts_of_routes_and_of_releases() -> None:
    polite = Prompt(version="1", system="Be polite.")
    release = ServedRelease(id="rel", route="r", candidate=Route("r", (Target("m"),)), prompt=polite, weight=0.5)
    assert plan(prompts={"r": polite}).has_prompts and plan(releases=(release,)).has_prompts
    assert not plan().has_prompts
    assert not plan(releases=(msgspec.structs.replace(release, prompt=None),)).has_prompts


def test_addresses() -> None:
    assert (plan().gateway_url, plan().console_url) == ("http://127.0.0.1:8080", "http://[::1]:8081")
    tls = ServerTls(certificate="c", key="k")
    assert plan(tls=tls).gateway_url == "https://127.0.0.1:8080" and plan(tls=tls).console_url.startswith("http:")
    assert plan(console_tls=tls).console_url == "https://[::1]:8081"


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = plan(str(tmp_path))
    assert made.file() == tmp_path / "run" / "plan.json"
    made.file().parent.mkdir()
    made.file().write_bytes(msgspec.json.encode(made))
    assert read_plan(made.file()) == made
    made.file().write_text("{}")
    for file in (made.file(), tmp_path / "gone"):
        with pytest.raises(InputError, match="it is written by `steward up`"):
            read_plan(file)
