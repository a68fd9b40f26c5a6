"""Paths of registered files are absolute, from the folder that the home stands in."""

from __future__ import annotations

from pathlib import Path

from steward.privacy.rights_config import PersonalFiles, Processor, RetentionPlan
from steward.settings import Settings
from steward.workflows.serve.deployment import find_deployment
from steward.workflows.serve.rights_plan import plan_rights

TREE = {
    "retention": {"request_people_days": 1},
    "processors": [{"name": "cloud", "purpose": "answers", "country": "US"}],
    "personal_files": [{"name": "a", "path": "a.jsonl"}, {"name": "b", "path": "/data/b", "kind": "study"}],
}


def test_sections_become_what_processes_know(tmp_path: Path) -> None:
    plan = plan_rights(Settings.model_validate(TREE), tmp_path / "home")
    assert plan.retention == RetentionPlan(request_people_s=86_400.0)
    assert plan.processors == (Processor(name="cloud", purpose="answers", country="US"),)
    assert plan.files == (
        PersonalFiles(name="a", path=str(tmp_path / "a.jsonl"), kind="files"),
        PersonalFiles(name="b", path="/data/b", kind="study"),
    )


def test_a_home_that_never_served_knows_them_from_its_settings(tmp_path: Path) -> None:
    (tmp_path / "steward.yaml").write_text("processors: [{name: cloud, purpose: answers, country: US}]\n")
    assert [one.name for one in find_deployment(tmp_path / ".steward").rights.processors] == ["cloud"]
