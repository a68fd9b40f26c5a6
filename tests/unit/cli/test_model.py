"""What `steward model` does in the registry of a home, and what it prints for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from steward.cli.main import app
from steward.cli.model import _format_lineage, _format_part
from steward.core.errors import InputError
from steward.core.records import ExchangeOrigin
from steward.core.releases import ReleaseRecord, RouteVariant
from steward.workflows.keys import open_keys
from steward.workflows.lineage import Lineage
from steward.workflows.serve.deployment import find_deployment


def test_what_is_described_in_json_is_read_a_line_a_value() -> None:
    dataset = {"name": "talks", "digest": "sha256:cd", "splits": {"train": 80, "judge": 10}, "shapes": ["sft", "dpo"]}
    assert _format_part("data set", dataset) == [
        "  data set",
        "    name: talks",
        "    digest: sha256:cd",
        "    splits",
        "      train: 80",
        "      judge: 10",
        "    shapes: sft, dpo",
    ]
    assert _format_part("trainer", "trl", 0) == ["trainer: trl"]
    assert _format_part("seeds", [1, {"a": None}], 0) == ['seeds: 1, {"a":null}']
    assert _format_part("lora", True, 0) == ["lora: true"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "steward.yaml").write_text("")
    with open_keys(find_deployment(tmp_path / ".steward"), 1.0):
        return tmp_path / ".steward"


def model(home: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["model", *words, "--home", str(home)], env={"COLUMNS": "200"})


def import_files(home: Path, text: str, *more: str) -> Any:
    folder = home.parent / f"files-{text}"
    folder.mkdir()
    (folder / "a.txt").write_text(text)
    done = model(home, "import", str(folder), "--name", "bot", "--kind", "other", *more, "--json")
    return json.loads(done.stdout)["version"]


def test_a_version_is_shown_with_its_files_aliases_and_marks(home: Path) -> None:
    version = import_files(home, "one", "--alias", "champion")
    digest = version["digest"]
    shown = model(home, "show", "bot").stdout.splitlines()
    assert shown[0].endswith(f", other, {digest}") and "aliases: champion; does not serve" in shown
    assert any(line.startswith("  a.txt  3 bytes  ") for line in shown)
    (move,) = [line for line in shown if "champion 1: " in line]
    assert digest.removeprefix("sha256:")[:12] + " by " in move  # as long as a digest that docker prints
    assert not any(line.startswith(("tainted", "held")) for line in shown)
    marked = model(home, "mark", "bot", "--tainted", "erased people", "--held", "a lawsuit").stdout
    assert "tainted: erased people; held: a lawsuit" in marked
    shown = model(home, "show", "bot").stdout.splitlines()
    assert "tainted: erased people" in shown and "held: a lawsuit" in shown
    assert "held: a lawsuit" in model(home, "mark", "bot", "--tainted", "").stdout
    assert "a lawsuit" in model(home, "list").stdout
    assert "no mark" in model(home, "mark", "bot", "--held", "").stdout


def test_a_mark_needs_what_it_says(home: Path) -> None:
    with pytest.raises(InputError, match="expected --tainted, --held, or both"):
        raise model(home, "mark", "bot").exception or AssertionError


def test_a_version_without_an_alias_has_none(home: Path) -> None:
    version = import_files(home, "one")
    assert version["kind"] == "other"
    shown = model(home, "show", f"bot@{version['digest']}").stdout
    assert "aliases: none; does not serve" in shown and "aliases moved" not in shown
    moved = model(home, "alias", f"bot@{version['digest']}", "candidate").stdout
    assert moved.startswith("bot@candidate is ") and moved.rstrip().endswith(", move 1")


@pytest.mark.parametrize(("files", "said"), [(1, "1 file"), (2, "2 files")])
def test_an_import_says_how_many_files_it_took(home: Path, tmp_path: Path, files: int, said: str) -> None:
    (tmp_path / "in").mkdir()
    for number in range(files):
        (tmp_path / "in" / f"{number}.txt").write_text(str(number))
    (tmp_path / "details.json").write_text('{"license": "MIT"}')
    words = ["import", str(tmp_path / "in"), "--name", "bot", "--kind", "other", "--details"]
    assert model(home, *words, str(tmp_path / "details.json")).stdout.rstrip().endswith(f", other, {said}")
    assert "license: MIT" in model(home, "show", f"bot@{list_versions(home)[0]}").stdout
    (tmp_path / "details.json").write_text("[]")
    with pytest.raises(InputError, match="expected a JSON object"):
        raise model(home, *words, str(tmp_path / "details.json")).exception or AssertionError


def list_versions(home: Path) -> list[str]:
    return [view["version"]["digest"] for view in json.loads(model(home, "list", "--json").stdout)]


def test_an_export_goes_to_one_place(home: Path, tmp_path: Path) -> None:
    import_files(home, "one", "--alias", "champion")
    for words in ([], [str(tmp_path / "out"), "--mlflow", "bot"]):
        with pytest.raises(InputError, match="expected exactly one of FOLDER and --mlflow NAME"):
            raise model(home, "export", "bot", *words).exception or AssertionError
    assert model(home, "export", "bot", str(tmp_path / "out")).stdout.rstrip().endswith(", not signed")
    assert list((tmp_path / "out").rglob("a.txt"))


def test_a_script_sees_by_the_exit_code_whether_files_are_what_was_signed(home: Path, tmp_path: Path) -> None:
    import_files(home, "one", "--alias", "champion")
    assert model(home, "sign", "bot").exit_code == 0
    assert model(home, "verify", "bot").exit_code == 0
    assert model(home, "export", "bot", str(tmp_path / "out")).stdout.rstrip().endswith(", signed")
    (file,) = (tmp_path / "out").rglob("a.txt")
    file.chmod(0o600)
    file.write_text("two")
    altered = model(home, "verify", str(tmp_path / "out"))
    assert altered.exit_code == 1 and "a.txt" in altered.stdout


def test_the_newest_versions_and_those_with_an_alias_stay(home: Path) -> None:
    """`--help` of `model collect`: five, where none are said."""
    digests = [import_files(home, str(number))["digest"] for number in range(7)]
    model(home, "alias", f"bot@{digests[0]}", "champion")
    would = model(home, "collect", "--dry-run").stdout
    assert would.startswith("1 versions, 1 files, 1 bytes would be deleted") and len(list_versions(home)) == 7
    assert model(home, "collect").stdout.startswith("1 versions, 1 files, 1 bytes deleted")
    assert sorted(list_versions(home)) == sorted({*digests} - {digests[1]})


@pytest.mark.parametrize(("weight", "share"), [(0.05, "5%"), (None, "0%")])
def test_an_answers_release_says_which_share_of_people_got_it(weight: float | None, share: str) -> None:
    origin = ExchangeOrigin(
        request_id="req_1", at=0.0, project="p", route="chat", endpoint="chat", model="bot", model_version=None,
        prompt_version="2", route_version=7, outcome="ok", release="rel_1", arm="candidate", arm_weight=weight,
    )  # fmt: skip
    release = ReleaseRecord(
        id="rel_1", route="chat", candidate=RouteVariant(kind="prompt", name="greeting", version="2"), state="canary",
        weight=0.05, started_at=0.0, started_by="operator:1", step_at=0.0, route_digest="", why="it began",
    )  # fmt: skip
    found = Lineage(
        request=origin, config=None, release=release, version=None, served=None, dataset=None, base=None, code=None,
        parameters=None, trainer=None, aliases=(), gates=(), decisions=(), approvals=(),
        unknown=("version: not registered",),
    )  # fmt: skip
    assert _format_lineage(found) == [
        "request req_1: ok, route chat, model bot",
        "configuration 7",
        "prompt 2",
        f"release rel_1: candidate, at {share}; canary, it began",
        "unknown version: not registered",
    ]
    without = msgspec.structs.replace(found, release=None)
    assert not any(line.startswith("release") for line in _format_lineage(without))
