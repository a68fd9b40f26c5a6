"""A suite as it is and under its changes: what runs where, and what is refused before anybody is asked."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from steward.core.errors import InputError
from steward.evaluation.suite import QuestionChange
from steward.workflows.evaluate.changes import make_folder_name, run_checks, run_robustness
from steward.workflows.evaluate.target import ModelTarget


@pytest.mark.parametrize("title", ["typos", "typos-0-1", "a"])
def test_a_title_that_is_safe_is_the_name(title: str) -> None:
    assert make_folder_name(title) == title


@pytest.mark.parametrize(
    ("title", "safe"),
    [("Typos", "typos"), ("he → she", "he-she"), ("../up", "up"), ("-x-", "x"), ("y" * 41 + " ", "y" * 40)],
)
def test_others_are_told_apart_by_six_digits_of_their_sha256(title: str, safe: str) -> None:
    assert make_folder_name(title) == f"{safe}-{hashlib.sha256(title.encode()).hexdigest()[:6]}"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A model that answers 4, except where somebody shouts."""

    class Model(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["content-length"])))["messages"][-1]["content"]
            message = {"role": "assistant", "content": "5" if question.endswith("!") else "4"}
            body = json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def write_suite(folder: Path, **more: Any) -> Path:
    rows = [{"id": str(number), "q": f"2 + 2 = {'?' * number}", "references": ["4"]} for number in range(3)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    suite = {"name": "s", "data": "rows.jsonl", "prompt": "{q}", "metrics": ["exact_match"], **more}
    (folder / "suite.yaml").write_text(json.dumps(suite))
    return folder / "suite.yaml"


def no_progress(total: int) -> Any:
    return lambda done, failed: None


SHOUT, ABSENT = QuestionChange(append="!"), QuestionChange(replace={"7": "8"})


def test_each_change_is_compared_with_the_suite_as_it_is(tmp_path: Path, url: str) -> None:
    suite, out = write_suite(tmp_path), tmp_path / "out"
    report = run_robustness(
        suite, [SHOUT, ABSENT], ModelTarget(url, "m"), out, limit=None, extra=["exact_match", "latency"],
        progress=no_progress,
    )  # fmt: skip
    (effect,) = report.effects
    assert report.untouching == (ABSENT.title,) and effect.change == SHOUT.title
    assert [one.paired.metric for one in effect.shifts] == ["exact_match", "latency"]
    match = effect.shifts[0]
    assert (match.paired.baseline, match.paired.candidate) == (
        1.0,
        0.0,
    )  # every answer is right, and none is to whoever shouts
    assert sorted(path.name for path in out.iterdir()) == sorted(["original", make_folder_name(SHOUT.title)])


def test_changes_that_could_change_nothing_are_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    suite, target = write_suite(tmp_path), ModelTarget("http://127.0.0.1:9/v1", "m")
    with pytest.raises(InputError, match="no item can be changed by"):
        run_robustness(suite, [ABSENT], target, tmp_path / "o", limit=None, extra=[], progress=no_progress)
    with pytest.raises(InputError, match="is given twice"):
        run_robustness(suite, [SHOUT, SHOUT], target, tmp_path / "o", limit=None, extra=[], progress=no_progress)
    with pytest.raises(InputError, match="the suite has no checks"):
        run_checks(suite, target, tmp_path / "o", limit=None, progress=no_progress)
    assert not (tmp_path / "o").exists()


def test_checks_run_on_the_suite_and_on_what_they_change_in_it(tmp_path: Path, url: str) -> None:
    checks = [
        {"name": "knows", "kind": "MFT", "metric": "exact_match"},
        {"name": "calm", "kind": "INV", "change": {"append": "!"}},
        {"name": "absent", "kind": "INV", "change": {"replace": {"7": "8"}}},
    ]
    suite, out = write_suite(tmp_path, checks=checks), tmp_path / "out"
    report = run_checks(suite, ModelTarget(url, "m"), out, limit=2, progress=no_progress)
    verdicts = {one.name: (one.verdict, one.n) for one in report.checks}
    assert verdicts["knows"] == ("passed", 2) and verdicts["calm"] == ("failed", 2)
    assert sorted(path.name for path in out.iterdir()) == ["calm", "original"]
