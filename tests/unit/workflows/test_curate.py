"""The stage `pii` gets privacy's detectors: the same kinds, profiles and actions as everywhere."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from data_batches import apply
from steward.core.errors import UnknownName
from steward.data.config import Source
from steward.data.stages.classifier import ClassifierStage
from steward.data.stages.pii import Pii
from steward.workflows import curate
from steward.workflows.curate import add_parts, add_store, copy_output, run_pipeline
from steward.workflows.stage_parts import find_personal_data

TEXT = "bob@example.com was born on 1985-03-12; SSN 536-90-4399."


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "[EMAIL] was born on [DATE_OF_BIRTH]; SSN [US_SSN]."),
        ({"entities": ("US_SSN",)}, "bob@example.com was born on 1985-03-12; SSN [US_SSN]."),
        ({"profile": "pci"}, TEXT),
        ({"action": "mask"}, "***@*******.*** was born on ****-**-**; SSN ***-**-****."),
        ({"action": "redact"}, "[EMAIL REDACTED] was born on [BIRTH REDACTED]; SSN [SSN REDACTED]."),
        (
            {"action": "generalise", "profile": "hipaa_safe_harbor"},
            "[EMAIL REDACTED] was born on 1985; SSN [SSN REDACTED].",
        ),
    ],
)
def test_profiles_entities_and_actions(fields: dict[str, Any], expected: str) -> None:
    assert apply(add_parts(Pii(**fields)), TEXT)[0] == [expected]


@pytest.mark.parametrize("fields", [{"profile": "hippa"}, {"entities": ("US_SNN",)}])
def test_what_is_not_known_is_named(fields: dict[str, Any]) -> None:
    with pytest.raises(UnknownName):
        add_parts(Pii(**fields))


def test_a_detector_that_is_given_stays() -> None:
    stage = Pii(detector=find_personal_data)
    assert add_parts(stage) is stage


def test_the_detectors_of_a_steward_yaml_look_for_more(tmp_path: Path) -> None:
    config = tmp_path / "steward.yaml"
    config.write_text("privacy: {detectors: [{name: badge, pattern: 'B-[0-9]{4}'}]}\n")
    stage = add_parts(Pii(detectors=str(config)))
    assert apply(stage, "badge B-1234 of bob@example.com")[0] == ["badge [CUSTOM] of [EMAIL]"]


SUMMARY: Any = SimpleNamespace(parts=[SimpleNamespace(name="part-0.parquet"), SimpleNamespace(name="part-1.parquet")])
RUN = ("rows/part-0.parquet", "rows/part-1.parquet", "manifest.json", "rows/_SUCCESS")


def make_output(folder: Path) -> Path:
    for name in RUN:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_a_copy_is_whole_before_the_mark_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for `_SUCCESS`, as Hadoop and Spark write it, finds every part."""
    output = make_output(tmp_path / "out")
    copy_output(output, str(tmp_path / "copy"), SUMMARY)
    copied = [path for path in (tmp_path / "copy").rglob("*") if path.is_file()]
    assert {str(path.relative_to(tmp_path / "copy")): path.read_text() for path in copied} == {
        name: name for name in RUN
    }
    sent: list[tuple[Path, str]] = []
    store = SimpleNamespace(upload=lambda file, address: sent.append((file, address)))
    monkeypatch.setattr("steward.workflows.curate._make_store", lambda: store)
    copy_output(output, "s3://bucket/run/", SUMMARY)
    assert sent == [(output / name, f"s3://bucket/run/{name}") for name in RUN]


def test_a_classifier_of_another_kind_is_opened_with_its_label(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr("steward.workflows.stage_parts.make_text_model", lambda *given: asked.append(given) or "model")
    assert cast(Any, add_parts(ClassifierStage(file="a.bin", label="hq"))).scorer == "model"
    given = ClassifierStage(file="a.bin", label="hq", scorer="own")
    assert add_parts(given) is given and asked == [("a.bin", "hq", None)]


@pytest.mark.parametrize("on", ["local", "ray"])
@pytest.mark.parametrize("copy_to", [None, "s3://bucket/run"])
def test_a_pipeline_runs_where_it_is_told_and_is_copied_where_it_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on: Any, copy_to: str | None
) -> None:
    sink = SimpleNamespace(path=str(tmp_path / "out"), copy_to=copy_to)
    loaded = SimpleNamespace(source="source", stages=(), sink=sink, names=("a",))
    ran: list[tuple[Any, ...]] = []
    copied: list[tuple[Any, ...]] = []

    def run(source: Any, stages: Any, target: Any, executor: Any, **more: Any) -> str:
        ran.append((source, executor, more["names"], more["overwrite"]))
        return "summary"

    monkeypatch.setattr("steward.data.config.load_pipeline", lambda _: loaded)
    monkeypatch.setattr(curate, "add_store", lambda source: source)
    monkeypatch.setattr(curate, "LocalExecutor", lambda workers: nullcontext(f"{workers} local"))
    monkeypatch.setattr(curate, "_make_ray_executor", lambda workers: nullcontext(f"{workers} ray"))
    monkeypatch.setattr(curate, "run", run)
    monkeypatch.setattr(curate, "copy_output", lambda *given: copied.append(given))
    summary: Any = run_pipeline(tmp_path / "p.yaml", workers=3, on=on, overwrite=True)
    assert summary == "summary" and ran == [("source", f"3 {on}", ("a",), True)]
    assert copied == ([(tmp_path / "out", copy_to, "summary")] if copy_to else [])


def test_only_a_source_with_addresses_gets_a_store_and_keeps_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files need no extra to be installed."""
    made: Any = object()
    monkeypatch.setattr(curate, "_make_store", lambda: made)
    local, far = Source(path=["a.jsonl", "b.jsonl"]), Source(path=["a.jsonl", "s3://bucket/b.jsonl"])
    own = far.with_store(cast(Any, "own"))
    assert add_store(local) is local and add_store(own) is own
    assert add_store(far).store is made and add_store(far).list_patterns() == far.list_patterns()
