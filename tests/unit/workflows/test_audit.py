"""Every administrative act is in the log before it is done, and the log tells when it was altered."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from steward.core.errors import InputError, Unavailable
from steward.core.identity import Principal, operator
from steward.core.records import LimitSpec
from steward.workflows import keys, prompts
from steward.workflows.audit import audit_folder, find_acts, list_acts, make_act, verify_home
from steward.workflows.serve.deployment import find_deployment

ME = operator(7)


def change_everything(home: Path) -> keys.CreatedKey:
    made = keys.create(home, "anna's laptop", LimitSpec(), 1.0, actor=ME)
    audit = find_deployment(home).open_audit_log()
    prompts.add(home, "greet", prompts.PromptText("Be kind."), 1.0, actor=ME, audit=audit)
    prompts.add(home, "greet", prompts.PromptText("Be brief."), 1.0, actor=ME, audit=audit)
    prompts.use(home, "greet", "2", actor=ME, audit=audit)
    keys.revoke(home, made.id, 2.0, actor=operator(8))
    return made


def test_acts_say_who_did_what_newest_first(tmp_path: Path) -> None:
    made = change_everything(tmp_path)
    acts = list_acts(tmp_path, 9)
    assert [(act.actor, act.action, act.subject) for act in acts] == [
        ("operator:8", "keys.revoke", f"key:{made.id}"),
        ("operator:7", "prompts.use", "prompt:greet"),
        ("operator:7", "prompts.add", "prompt:greet"),
        ("operator:7", "prompts.add", "prompt:greet"),
        ("operator:7", "keys.create", f"key:{made.id}"),
    ]
    assert acts[1].before.startswith("1-") and acts[1].after.startswith("2-") and list_acts(tmp_path, 1) == acts[:1]


def test_the_log_holds_no_names_no_texts_and_no_keys(tmp_path: Path) -> None:
    made = change_everything(tmp_path)
    files = [path.read_bytes() for path in audit_folder(tmp_path).rglob("*") if path.is_file()]
    for secret in (made.key, "laptop", "Be kind."):
        assert not any(secret.encode() in data for data in files)


def test_what_cannot_be_recorded_is_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = change_everything(tmp_path)
    before = keys.list_keys(tmp_path, actor=operator(7))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("steward.security.audit.log.write_file", full)
    with pytest.raises(Unavailable, match="not recorded, so it was not done"):
        keys.create(tmp_path, "another", LimitSpec(), 1.0, actor=ME)
    audit = find_deployment(tmp_path).open_audit_log()
    with pytest.raises(Unavailable):
        prompts.use(tmp_path, "greet", "1", actor=ME, audit=audit)
    assert keys.list_keys(tmp_path, actor=operator(7)) == before and prompts.find(tmp_path, "greet").version.startswith(
        "2-"
    )
    assert made.id in {key.id for key in before}


def test_a_log_that_was_altered_is_found(tmp_path: Path) -> None:
    change_everything(tmp_path)
    assert verify_home(tmp_path).error is None and not verify_home(tmp_path).compared
    bundle = next(path for path in (audit_folder(tmp_path) / "tile" / "entries").rglob("*") if path.is_file())
    bundle.write_bytes(bundle.read_bytes().replace(b"operator:7", b"operator:9", 1))
    found = verify_home(tmp_path)
    assert found.error is not None and found.at == 0


def test_a_witness_finds_a_log_that_was_set_back(tmp_path: Path) -> None:
    change_everything(tmp_path)
    witness = tmp_path / "witness"
    witness.write_bytes((audit_folder(tmp_path) / "checkpoint").read_bytes())
    assert verify_home(tmp_path, witness).compared and verify_home(tmp_path, witness).error is None
    os.rename(audit_folder(tmp_path), tmp_path / "away")
    keys.create(tmp_path, "k", LimitSpec(), 1.0, actor=ME)
    assert verify_home(tmp_path, witness).error is not None and verify_home(tmp_path).error is None
    with pytest.raises(InputError, match="expected a copy of"):
        verify_home(tmp_path, tmp_path / "nothing")


def test_a_prompt_remembers_who_added_it(tmp_path: Path) -> None:
    change_everything(tmp_path)
    file = next((tmp_path / "prompts" / "greet").glob("0001-*.json"))
    assert json.loads(file.read_text())["by"] == "operator:7"


def test_acts_are_found_from_the_newest_back_in_parts(tmp_path: Path) -> None:
    assert find_acts(tmp_path, lambda act: True, 5, tenant=None).size == 0
    log = find_deployment(tmp_path).open_audit_log()
    for index in range(300):  # more than one bundle of 256
        who = Principal(kind="person", id="p", tenant="acme" if index % 100 == 0 else "default")
        log.record(make_act(who, "keys.create", f"key:{index}"))

    def find(limit: int, **more: Any) -> tuple[list[int], int | None, int]:
        found = find_acts(tmp_path, lambda act: not act.subject.endswith("7"), limit, **{"tenant": None, **more})
        return [act.entry for act in found.acts], found.next_before, found.looked_at

    assert find(3) == ([299, 298, 296], 296, 4)
    assert find(2, before=296) == ([295, 294], 294, 2)
    assert find(9, tenant="acme") == ([200, 100, 0], None, 300)
    assert find(9, tenant="acme", most=150) == ([200], 150, 150)
    assert [act.entry for act in list_acts(tmp_path, 2, tenant="acme")] == [200, 100]
    assert [act.entry for act in list_acts(tmp_path, 2)] == [299, 298]
    assert find(9, before=0) == ([], None, 0) and find(9, before=9999)[0][0] == 299


def test_a_page_that_ends_with_the_log_has_none_after_it(tmp_path: Path) -> None:
    log = find_deployment(tmp_path).open_audit_log()
    for index in range(4):
        log.record(make_act(ME, "keys.create", f"key:{index}"))

    def find(**more: Any) -> tuple[list[int], int | None, int]:
        found = find_acts(tmp_path, lambda act: True, **{"limit": 9, "tenant": None, **more})
        return [act.entry for act in found.acts], found.next_before, found.looked_at

    assert find(limit=4) == ([3, 2, 1, 0], None, 4) == find(most=4)
    assert find(limit=3) == ([3, 2, 1], 1, 3) == find(most=3)
    assert find(limit=1, before=1) == ([0], None, 1) and find(most=0) == ([], 4, 0)
