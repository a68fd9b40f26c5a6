"""What a policy would have done with the rows of a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steward.core.errors import InputError
from steward.privacy.policy import PrivacyPolicy
from steward.workflows.guard_replay import judge_text, replay_file

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
    assert list(result.reasons) == ["the request contains a payment card number (privacy.actions.payment_card: block)"]
    assert 0.0 <= result.median_ms <= result.p99_ms


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
