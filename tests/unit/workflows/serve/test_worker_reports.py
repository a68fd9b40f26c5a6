from pathlib import Path

from steward.gateway.queue_records import QueueDepth
from steward.settings import Settings
from steward.workflows.serve.from_settings import make_plan
from steward.workflows.serve.worker_reports import queue_depths_file, read_queue_depths

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
