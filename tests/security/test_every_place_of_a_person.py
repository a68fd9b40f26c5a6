"""A person is planted in every place that can hold one: an export finds each, and after an erasure nothing is left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from planted_person import ACTOR, CANARY, NAME, NOW, PLANTERS, Planted, find_bytes, find_tables, plant_evaluation
from steward.core.errors import Contradiction
from steward.privacy.data_map import HOME, TABLES, DataPlace
from steward.workflows.backup import backup_home
from steward.workflows.prompts import PromptText, add
from steward.workflows.restore import restore_home
from steward.workflows.rights.erase import erase_person
from steward.workflows.rights.export import export_person
from steward.workflows.rights.home import open_rights_home

JOURNALS: Final = {place.name for place in (*HOME, *TABLES) if place.treatment == "journal"}


def list_personal() -> set[tuple[str, str]]:
    places = [("table", place) for place in TABLES] + [("home", place) for place in HOME]
    return {(kind, place.name) for kind, place in places if place.holds in ("pseudonyms", "words")}


def test_every_place_of_people_has_a_treatment_and_a_planter() -> None:
    assert set(PLANTERS) == list_personal()
    untreated: list[DataPlace] = [
        place for place in (*TABLES, *HOME) if (place.holds in ("pseudonyms", "words")) is (place.treatment == "none")
    ]
    assert untreated == []


@pytest.fixture
def planted(tmp_path: Path) -> Iterator[Planted]:
    made = Planted(tmp_path)
    with open_rights_home(made.home, NOW) as made.opened:
        yield made


def plant_all(planted: Planted) -> set[str]:
    """Under which names an export must tell of the person."""
    plant_evaluation(planted)
    names = {plant(planted) for plant in PLANTERS.values()}
    return {*names, "evaluations", "sources"} - {""}


def quiet(what: str, done: int, total: int) -> None: ...


def test_a_planted_person_is_found_everywhere_and_erased_everywhere(planted: Planted) -> None:
    expected = plant_all(planted)
    assert find_bytes(planted.folder, CANARY, NAME)
    found = export_person(planted.home, NAME, NOW + 1, actor=ACTOR)
    assert expected - set(found.counts) - {"datasets"} == set()
    assert [one.name for one in found.datasets] == ["shop"] and found.unread == ()
    result = erase_person(planted.home, NAME, NOW + 1, actor=ACTOR, rebuild_datasets=True)
    assert (result.remaining, result.unread) == ({}, ()) and len(result.rebuilt) == 1
    assert find_bytes(planted.folder, CANARY, NAME) == set()
    naming = {path.split("/")[1] for path in find_bytes(planted.folder, planted.pseudonym)}
    assert naming <= JOURNALS | {"steward.db", "steward.db-wal"}
    assert find_tables(planted.home / "steward.db", planted.pseudonym) <= JOURNALS
    again = export_person(planted.home, NAME, NOW + 2, actor=ACTOR)
    assert again.counts == {} and again.datasets == () and again.unread == ()
    assert len(list((planted.home / "incidents").glob("*.json"))) == 1  # emptied, and still an incident
    assert '"other"' in (planted.folder / "evaluations" / "items.jsonl").read_text()


def test_what_serves_is_found_and_left_to_its_owner(planted: Planted) -> None:
    text = PromptText(system=f"Greet {NAME}.")
    add(planted.home, "hello", text, now=NOW, actor=ACTOR, audit=planted.opened.deployment.open_audit_log())
    result = erase_person(planted.home, NAME, NOW + 1, actor=ACTOR, project="p")
    assert result.remaining == {"prompts": 1} and not result.is_complete


def test_another_tenants_name_is_not_looked_for_in_documents(planted: Planted) -> None:
    planted.write("incidents/inc_1.json", f'{{"title": "{NAME}"}}')
    other = export_person(planted.home, NAME, NOW, actor=type(ACTOR)(kind="person", id="x", tenant="other"))
    assert other.counts == {}


def test_a_backup_of_before_restored_has_nothing_of_the_person(planted: Planted, tmp_path: Path) -> None:
    plant_all(planted)
    keys = tmp_path.parent / f"{tmp_path.name}-keys"
    archive = tmp_path.parent / f"{tmp_path.name}-before.bak"
    backup_home(planted.home, archive, keys, None, time.time(), quiet, actor=ACTOR)
    erase_person(planted.home, NAME, time.time(), actor=ACTOR, rebuild_datasets=True)
    restored = tmp_path.parent / f"{tmp_path.name}-restored" / "home"
    with pytest.raises(Contradiction, match=": 1 requests were admitted and have not settled"):
        restore_home(archive, keys, None, restored, quiet, actor=ACTOR, erasures=planted.home)
    assert find_bytes(restored, CANARY, NAME) == set()
    assert find_tables(restored / "steward.db", planted.pseudonym) <= JOURNALS
    with open_rights_home(restored, time.time()) as opened:
        rows = opened.store.rights.find([planted.pseudonym], tenant="default")
        assert rows.counts() == {}
