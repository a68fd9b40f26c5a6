"""A person is planted in every place that can hold one: an export finds each, and after an erasure nothing is left."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from planted_person import ACTOR, CANARY, NAME, NOW, PLANTERS, Planted, find_bytes, find_tables, plant_evaluation
from steward.adapters.stores.tables import metadata
from steward.core.errors import Contradiction
from steward.privacy.data_map import HOME, TABLES, DataPlace
from steward.workflows.backup import backup_home
from steward.workflows.prompts import PromptText, add
from steward.workflows.restore import restore_home
from steward.workflows.rights.erase import erase_person
from steward.workflows.rights.export import export_person
from steward.workflows.rights.home import open_rights_home

SOURCE: Final = Path(__file__).parents[2] / "src" / "steward"
JOURNALS: Final = {place.name for place in (*HOME, *TABLES) if place.treatment == "journal"}


def list_personal() -> set[tuple[str, str]]:
    places = [("table", place) for place in TABLES] + [("home", place) for place in HOME]
    return {(kind, place.name) for kind, place in places if place.holds in ("pseudonyms", "words")}


def test_every_table_is_in_the_map() -> None:
    assert sorted(place.name for place in TABLES) == sorted(metadata.tables)


def test_every_entry_of_a_home_that_the_code_writes_is_in_the_map() -> None:
    assert list_entries() - {place.name for place in HOME} == set()


def test_every_place_of_people_has_a_treatment_and_a_planter() -> None:
    assert set(PLANTERS) == list_personal()
    untreated: list[DataPlace] = [
        place for place in (*TABLES, *HOME) if (place.holds in ("pseudonyms", "words")) is (place.treatment == "none")
    ]
    assert untreated == []


def list_entries() -> set[str]:
    """What the code puts directly into a home: each `home / "name"`, where the name is a text or a constant."""
    trees = {path: ast.parse(path.read_text()) for path in SOURCE.rglob("*.py")}
    constants = {
        ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts): read_constants(tree)
        for path, tree in trees.items()
    }
    found = set()
    for tree in trees.values():
        known = read_constants(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in constants:
                given = constants[node.module]
                known |= {each.asname or each.name: given[each.name] for each in node.names if each.name in given}
        for node in ast.walk(tree):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and is_home(node.left):
                found.add(
                    node.right.value if isinstance(node.right, ast.Constant) else known.get(ast.unparse(node.right))
                )
    names = {str(name) for name in found if name is not None}
    return {name for name in names if not re.search(r"\.lock$|^steward\.yaml$", name)}


def read_constants(tree: ast.Module) -> dict[str, str]:
    """Texts that a module gives a name."""
    constants: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign | ast.Assign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                pairs = [(target, node.value)]
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = list(zip(target.elts, node.value.elts, strict=True))
                for name, value in pairs:
                    if isinstance(name, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                        constants[name.id] = value.value
    return constants


def is_home(node: ast.expr) -> bool:
    """`home`, `self._home`, `plan.home`, `Path(…home)`."""
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) == "Path" and bool(node.args) and is_home(node.args[0])
    return ast.unparse(node).rpartition(".")[2].lstrip("_") == "home"


def test_the_scan_of_the_code_sees_what_there_is() -> None:
    assert {"run", "audit", "responses", "datasets", "incidents", "erasures.jsonl"} <= list_entries()


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
