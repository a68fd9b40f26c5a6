"""What a policy would have done with the rows of a file."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from steward.core.captures import CapturedContent
from steward.core.errors import InputError
from steward.privacy.policy import PrivacyPolicy
from steward.workflows.guard_replay import _find_p99, judge_text, replay_captures, replay_file

POLICY = PrivacyPolicy(actions={"EMAIL_ADDRESS": "pseudonymise", "CREDIT_CARD": "block"}, routes={"open": {}})
CARD = "4111 1111 1111 1111"


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_rows_are_judged_as_the_gateway_would(tmp_path: Path) -> None:
    file = write(
        tmp_path / "rows.jsonl",
        {"messages": [{"role": "user", "content": "I am bob@example.com, Zora Quill's friend; code 4711"}]},
        {"request": {"messages": [{"role": "user", "content": "nothing"}]}},
        {"text": f"pay {CARD}"},
        ["no object"],
    )
    result = replay_file(file, POLICY)
    assert (result.rows, result.allowed, result.rewritten, result.blocked, result.failed) == (4, 1, 1, 1, 1)
    assert result.masked == {"email": 1} and result.errors == ("line 4 is no JSON object",)
    assert result.reasons == {"the request contains a payment card number (privacy.actions.payment_card: block)": 1}
    assert 0.0 <= result.median_ms <= result.p99_ms


def test_a_row_takes_milliseconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of them, by a clock of seconds: 2 ms and 6 ms."""
    seconds = iter([1.0, 1.002, 5.0, 5.006])
    clock = SimpleNamespace(perf_counter=lambda: next(seconds))
    monkeypatch.setattr("steward.workflows.guard_replay.time", clock)
    result = replay_file(write(tmp_path / "rows.jsonl", {"text": "a"}, {"text": "b"}), POLICY)
    assert (result.median_ms, result.p99_ms) == (pytest.approx(4.0), pytest.approx(6.0))


def test_examples_repeat_nobodys_data(tmp_path: Path) -> None:
    text = "Zora Quillingham wrote: mail bob@example.com or +49 30 23125123, code 4711"
    (example,) = replay_file(write(tmp_path / "rows.jsonl", {"text": text}), POLICY).examples
    assert (example.row, example.entity) == ("1", "email")
    assert example.excerpt == "[person] wrote: mail [email] or [phone], code ####"[: len(example.excerpt)]
    assert "Zora" not in example.excerpt and "bob" not in example.excerpt and "23125" not in example.excerpt


def test_a_route_has_its_own_rules(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.jsonl", {"text": "bob@example.com"})
    assert replay_file(file, POLICY, route="open").allowed == 1
    assert judge_text(POLICY, CARD, route="open").action == "allow" and judge_text(POLICY, CARD).action == "block"


def test_a_file_without_rows_says_nothing_of_the_policy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no rows; expected JSON Lines"):
        replay_file(write(tmp_path / "empty.jsonl"), POLICY)
    with pytest.raises(InputError, match="No such file"):
        replay_file(tmp_path / "none.jsonl", POLICY)


@pytest.mark.parametrize(
    ("count", "rank"), [(0, 0), (1, 1), (2, 2), (99, 99), (100, 99), (101, 100), (199, 198), (200, 198)]
)
def test_the_99th_percentile_by_nearest_rank(count: int, rank: int) -> None:
    """The smallest value that at least 99 % of all values do not exceed: number ceil(0.99 n)."""
    assert _find_p99([float(number) for number in range(count, 0, -1)]) == rank


def test_ten_examples_and_errors_are_shown_of_each_text_two(tmp_path: Path) -> None:
    text = "a@x.org or b@x.org or c@x.org"
    result = replay_file(write(tmp_path / "rows.jsonl", *[{"text": text}] * 12, *["no"] * 12), POLICY)
    assert [one.row for one in result.examples] == [str(1 + number // 2) for number in range(10)]
    assert result.errors == tuple(f"line {number} is no JSON object" for number in range(13, 23))
    assert (result.rewritten, result.failed, result.masked) == (12, 12, {"email": 36})


def test_an_example_shows_twenty_four_characters_on_each_side_and_whole_finds(tmp_path: Path) -> None:
    text = "x" * 30 + " 123 bob@example.com 456 " + "y" * 30
    (example,) = replay_file(write(tmp_path / "rows.jsonl", {"text": text}), POLICY).examples
    assert example.excerpt == "x" * 19 + " ### [email] ### " + "y" * 19
    near = "bob@example.com anna@example.com"
    first, second = replay_file(write(tmp_path / "near.jsonl", {"text": near}), POLICY).examples
    assert first.excerpt == second.excerpt == "[email] [email]"  # the other one is shown as a whole, not half


def test_blank_lines_are_no_rows_and_progress_ends_at_the_files_size(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('\n{"text": "a"}\n  \n{"request": 7}\n')
    steps: list[tuple[int, int, str]] = []
    result = replay_file(file, POLICY, progress=lambda *step: steps.append(step))
    assert (result.rows, result.failed, result.errors) == (2, 1, ("line 4 is no JSON object",))
    size = file.stat().st_size
    assert steps == [(15, size, "bytes"), (size, size, "bytes")]


def test_captured_exchanges_are_judged_under_the_rules_of_their_route(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": f"charge {CARD}"}]}).encode()
    kept: list[Any] = [
        (SimpleNamespace(request_id=name, route=route, key_id="k"), CapturedContent(body, ()))
        for name, route in (("a", "m"), ("b", "open"))
    ]
    asked: list[Any] = []

    def list_captures(home: Path, since: float, until: float, **more: Any) -> Any:
        asked.append((home, since, until > 9.0, more))
        return iter(kept)

    monkeypatch.setattr("steward.workflows.guard_replay.open_home_captures", list_captures)
    seen: list[tuple[int, int, str]] = []
    result = replay_captures(tmp_path, POLICY, 3.0, 9.0, tenant="t", progress=lambda *said: seen.append(said))
    assert (result.rows, result.blocked, result.failed) == (2, 1, 0)
    assert asked == [(tmp_path, 3.0, True, {"tenant": "t", "now": 9.0})]
    assert seen == [(1, 0, "exchanges"), (2, 0, "exchanges")]
    kept.clear()
    with pytest.raises(InputError, match=r"no exchange was captured since then; add capture\.rules"):
        replay_captures(tmp_path, POLICY, 3.0, 9.0)
