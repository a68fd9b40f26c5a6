from pathlib import Path

from steward.gateway.queue_records import QueueDepth
from steward.gateway.route_records import BreakerReport
from steward.settings import Settings
from steward.workflows.serve.from_settings import make_plan
from steward.workflows.serve.worker_reports import (
    breakers_file,
    list_worker_pids,
    queue_depths_file,
    read_breakers,
    read_queue_depths,
)

MODELS = [{"name": name, "backend": "openai", "url": "http://127.0.0.1:9"} for name in ("big", "small")]


def test_the_lines_of_running_workers_add_up_and_quiet_routes_are_zero(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for pid, text in (
        (1, '{"big": {"waiting": 3, "running": 2}}'),
        (2, '{"big": {"waiting": 1, "running": 2}, "removed": {"waiting": 1, "running": 1}}'),
        (3, '{"big": {"waiting": 9, "running": 9}}'),  # died: its process id is not asked for
        (4, '{"big": '),
    ):
        queue_depths_file(tmp_path / "run", pid).write_text(text)
    plan = make_plan(Settings.model_validate({"models": MODELS}), tmp_path, "1")
    assert read_queue_depths(plan, [1, 2, 4, 5]) == {"big": QueueDepth(4, 4), "small": QueueDepth(0, 0)}


def test_breakers_are_what_each_worker_that_runs_says(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert list_worker_pids(tmp_path) == []
    (tmp_path / "run" / "state.json").write_text(
        '{"processes": [{"name": "worker-0", "pid": 7}, {"name": "worker-1", "pid": null}, {"name": "k", "pid": 8}]}'
    )
    assert list_worker_pids(tmp_path) == [7]
    breakers_file(tmp_path / "run", 7).write_text('{"m": {"state": "open", "requests": 3, "failures": 2}}')
    breakers_file(tmp_path / "run", 8).write_text("{")
    assert read_breakers(tmp_path / "run", [7, 8, 9]) == {"m": [BreakerReport("open", 3, 2)]}
