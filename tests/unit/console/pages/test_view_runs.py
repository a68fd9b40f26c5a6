"""`steward eval view`: all runs, their items, two side by side, a search; closed to strangers."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from starlette.applications import Starlette

from console_client import ask
from steward.console.pages.view_runs import _score_row
from steward.console.view import COOKIE, build, list_endpoints
from steward.core.errors import InputError
from steward.evaluation.run import ItemAnswer, RunManifest
from steward.evaluation.run_shelf import RunShelf
from steward.evaluation.score import Score
from steward.evaluation.suite import PromptMessage, SuiteItem, SuiteSpec

ALIEN = '<script>alert(1)</script><img src=x onerror="x">'
OPENED = f"{COOKIE}=secret"


def write_run(folder: Path, model: str, said: dict[str, str | None], at: float = 1_767_225_600.0) -> None:
    folder.mkdir(parents=True)
    spec = SuiteSpec(name="capitals", data="d.jsonl", metrics=("exact_match",), slices=("kind",))
    items = [
        SuiteItem(name, (PromptMessage("user", f"Question {name}?"),), ("right",), {"kind": "a"}, name) for name in said
    ]
    manifest = RunManifest(suite=spec, model=model, items=len(items), data_sha256="|".join(said), prompts_sha256="p")
    answers = [
        ItemAnswer(id=name, prediction=text, error=None if text is not None else "503", at=at)
        for name, text in said.items()
    ]
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    for name, rows in (("items", items), ("answers", answers)):
        (folder / f"{name}.jsonl").write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    many = {f"q{number}": "right" for number in range(120)}
    write_run(tmp_path / "old", "small", {**many, "q7": "wrong", "q8": None, "q9": ALIEN}, at=1_767_225_600.0)
    write_run(tmp_path / "deep" / "new & fine", "large", {**many, "q8": "the right one"}, at=1_767_312_000.0)
    write_run(tmp_path / "other", "small", {"z1": "right", "z2": "a purple heron"})
    (tmp_path / "broken").mkdir()
    for name in ("manifest.json", "items.jsonl"):
        (tmp_path / "broken" / name).write_text("{")
    return tmp_path


def look(app: Starlette, path: str) -> str:
    status, _, body = ask(app, "GET", path, cookie=OPENED)
    assert status == 200, body
    return body


def test_all_runs_stand_in_the_list_newest_first(runs: Path) -> None:
    body = look(build(RunShelf(runs), "secret"), "/")
    assert "4 runs" in body and body.index("deep/new &amp; fine") < body.index(">old<") < body.index("broken")
    assert "written by another version" in body and "2026-01-02 00:00 UTC" in body and "exact_match 0.9917" in body
    assert "/run?name=deep%2Fnew+%26+fine" in body


def test_items_are_filtered_searched_and_paged(runs: Path) -> None:
    app = build(RunShelf(runs), "secret")
    first = look(app, "/run?name=old")
    assert first.count("<details") == 50 and "120 of 120 items" in first and "Page 1 of 3" in first
    assert "&amp;page=2" in first and "&amp;page=0" not in first and "&amp;page=3" not in first
    second = look(app, "/run?name=old&page=2")
    assert "&amp;page=1" in second and "&amp;page=3" in second
    assert first.index("q8 · failed") < first.index("q7 · not perfect")  # what went wrong comes first
    assert ">failed (1)<" in first and ">not perfect (2)<" in first  # q8; q7 and q9
    third = look(app, "/run?name=old&page=3")
    assert "&amp;page=2" in third and "&amp;page=4" not in third
    assert "q119" in third and "Page 3 of 3" in look(app, "/run?name=old&page=99")
    for page in ("0", "-1", "x", "9" * 40, "²"):
        assert "Page 1 of 3" in look(app, f"/run?name=old&page={page}")
    failed = look(app, "/run?name=old&state=failed")
    assert failed.count("<details") == 1 and "q8 · failed" in failed and "503" in failed
    found = look(app, "/run?name=old&words=QUESTION+q77")
    assert found.count("<details") == 1 and 'value="QUESTION q77"' in found
    assert "0 of 120 items" in look(app, "/run?name=old&words=nowhere")


def test_two_runs_side_by_side_with_what_changed(runs: Path) -> None:
    app = build(RunShelf(runs), "secret")
    body = look(app, "/compare?baseline=old&candidate=deep/new+%26+fine")
    assert "<del>wrong</del><ins>right</ins>" in body and "q7 · better" in body and "exact_match" in body
    assert look(app, "/compare?baseline=old&candidate=deep/new+%26+fine&state=better").count("· better ·") == 2
    status, _, said = ask(app, "GET", "/compare?baseline=old&candidate=other", cookie=OPENED)
    assert status == 404 and "cannot be shown" in said


def test_a_search_goes_through_all_runs(runs: Path) -> None:
    app = build(RunShelf(runs), "secret")
    body = look(app, "/search?words=purple")
    assert "1 item with" in body and ">other</a>" in body and "z2" in body
    both = look(app, "/search?words=question+q5%3F")
    assert "2 items with" in both and ">old</a>" in both and "deep/new &amp; fine</a>" in both
    assert "0 items with" in look(app, "/search?words=") and "200 or more" in look(app, "/search?words=question")


def test_texts_of_models_are_never_markup(runs: Path) -> None:
    app = build(RunShelf(runs), "secret")
    paths = ["/run?name=old&words=alert", "/search?words=alert", "/compare?baseline=old&candidate=deep/new+%26+fine"]
    paths += ["/search?words=%3Cscript%3E", "/run?name=old&words=%3Cscript%3E"]
    for path in paths:
        body = look(app, path)
        assert "<script" not in body and "<img" not in body and "&lt;script&gt;" in body


def test_strangers_see_nothing(runs: Path) -> None:
    app = build(RunShelf(runs), "secret")
    for path in ("/", "/run?name=old", "/compare?baseline=old&candidate=old", "/search?words=q"):
        for cookie in ("", f"{COOKIE}=", f"{COOKIE}=secreT", f"{COOKIE}=ä"):
            status, _, body = ask(app, "GET", path, cookie=cookie)
            assert status == 401 and "small" not in body and "old" not in body
    assert ask(app, "GET", "/open/wrong")[0] == 401
    status, headers, _ = ask(app, "GET", "/open/secret")
    assert status == 303 and headers["location"] == "/"
    assert "httponly" in headers["set-cookie"].lower() and "samesite=strict" in headers["set-cookie"].lower()
    assert ask(app, "POST", "/", cookie=OPENED)[0] == 405


@pytest.mark.parametrize("name", ["..", "../old", "/etc", "old/../old", "deep", "", "nowhere", "%2e%2e"])
def test_only_what_was_found_is_opened(runs: Path, name: str) -> None:
    app = build(RunShelf(runs / "deep" if name.startswith("..") else runs), "secret")
    status, _, body = ask(app, "GET", f"/run?name={name}", cookie=OPENED)
    assert status == 404 and "no run" in body


def test_a_link_leads_nowhere(tmp_path: Path) -> None:
    write_run(tmp_path / "private" / "run", "m", {"a": "right"})
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "link").symlink_to(tmp_path / "private" / "run")
    assert RunShelf(tmp_path / "runs").list_runs() == []


def test_a_run_that_grew_is_read_again(runs: Path) -> None:
    shelf = RunShelf(runs)
    assert shelf.open_run("other") is shelf.open_run("other")
    with (runs / "other" / "answers.jsonl").open("ab") as file:
        file.write(msgspec.json.encode(ItemAnswer(id="z2", prediction="right")) + b"\n")
    os.utime(runs / "other" / "answers.jsonl")
    assert shelf.open_run("other").results.scores[0].value == 1.0


def test_scores_are_those_that_the_run_left_unless_it_has_more_answers(runs: Path) -> None:
    opened = RunShelf(runs).open_run("other")
    changed = msgspec.structs.replace(opened.results, model="as it was left")
    (runs / "other" / "results.json").write_bytes(msgspec.json.encode(changed))
    assert "as it was left" in look(build(RunShelf(runs), "secret"), "/")
    later = (runs / "other" / "results.json").stat().st_mtime + 5
    os.utime(runs / "other" / "answers.jsonl", (later, later))
    assert "as it was left" not in look(build(RunShelf(runs), "secret"), "/")
    (runs / "other" / "results.json").write_text("{")
    with (runs / "other" / "answers.jsonl").open("a") as file:
        file.write('{"id": "z')  # a run that is going on
    assert "4 runs" in look(build(RunShelf(runs), "secret"), "/")


def test_no_folder_and_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        RunShelf(tmp_path / "none")
    assert "No run is here" in look(build(RunShelf(tmp_path), "secret"), "/")


def test_every_endpoint_reads_no_body(tmp_path: Path) -> None:
    assert all(endpoint.max_body_bytes == 0 for endpoint in list_endpoints(RunShelf(tmp_path)))


def test_two_runs_are_compared_once_until_one_changes(runs: Path) -> None:
    """A comparison of 20,000 items takes seconds; its pages and filters must not take them again."""
    shelf = RunShelf(runs)
    first = shelf.compare("old", "deep/new & fine")
    assert shelf.compare("old", "deep/new & fine") is first
    assert shelf.compare("deep/new & fine", "old") is not first
    answers = runs / "old" / "answers.jsonl"
    os.utime(answers, (answers.stat().st_atime, answers.stat().st_mtime + 5))
    assert shelf.compare("old", "deep/new & fine") is not first


def test_a_score_of_too_few_items_has_no_interval_and_one_of_none_no_value() -> None:
    score = Score(
        metric="exact_match", value=0.5, low=0.25, high=0.75, n=4, unscored=0, errored=0, signature="exact_match"
    )
    rows = [
        _score_row(msgspec.structs.replace(score, **changes))
        for changes in ({}, {"low": None, "high": None, "n": 1}, {"value": None, "low": None, "high": None, "n": 0})
    ]
    assert [(row["value"], row["interval"], row["n"]) for row in rows] == [
        ("0.5000", "0.2500 to 0.7500", 4), ("0.5000", "no interval", 1), ("–", "no interval", 0),
    ]  # fmt: skip
