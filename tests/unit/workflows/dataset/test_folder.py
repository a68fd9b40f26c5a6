import json
import shutil

import pytest

from steward.core.errors import InputError
from steward.workflows.dataset.folder import (
    diff_datasets,
    erase_subjects,
    export_dataset,
    read_manifest,
    read_rows,
    verify_dataset,
)
from steward.workflows.dataset.home import DatasetHome
from training_sets import build_set, question


@pytest.fixture
def made(tmp_path):
    home = DatasetHome(tmp_path / "home")
    return build_set(tmp_path, home, [question(n) for n in range(40)]), home


def edit(path, change):
    path.write_bytes(change(path.read_bytes()))


def test_an_unaltered_set_verifies_in_its_home_in_another_and_in_none(made, tmp_path):
    folder, home = made
    assert verify_dataset(folder, home).seal == "valid"
    for other in (None, DatasetHome(tmp_path / "other")):
        checked = verify_dataset(folder, other)
        assert (checked.intact, checked.seal) == (True, "not checked")
        assert checked.rows == sum(1 for split in ("train", "select") for _ in read_rows(folder, split, home))


@pytest.mark.parametrize(
    "name", ["train.jsonl", "select.jsonl", "judge.jsonl.sealed", "members.jsonl", "croissant.json"]
)
def test_one_bit_of_any_file_is_noticed(made, name):
    folder, home = made

    def flip(data):
        return data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]

    edit(folder / name, flip)
    checked = verify_dataset(folder, home)
    assert not checked.intact and any(problem.startswith(name) for problem in checked.problems)


def test_an_altered_row_is_named(made):
    folder, home = made
    edit(folder / "train.jsonl", lambda data: data.replace(b"Surely", b"Hardly", 1))
    name = json.loads((folder / "train.jsonl").read_bytes().splitlines()[0])["id"]
    assert f"train.jsonl:1: row {name} was changed" in verify_dataset(folder, home).problems


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[1:],
        lambda lines: [*lines, lines[0]],
        lambda lines: [lines[1], lines[0], *lines[2:]],
    ],
    ids=["a row less", "a row more", "two rows exchanged"],
)
def test_rows_may_not_come_go_or_change_places(made, change):
    folder, home = made
    edit(folder / "train.jsonl", lambda data: b"".join(change(data.splitlines(keepends=True))))
    assert not verify_dataset(folder, home).intact


def test_a_file_that_is_missing_or_was_added_is_noticed(made):
    folder, home = made
    (folder / "extra.jsonl").write_text("{}")
    (folder / "select.jsonl").unlink()
    problems = verify_dataset(folder, home).problems
    assert "extra.jsonl: is no file of the set" in problems and "select.jsonl: is missing" in problems


def test_a_manifest_that_was_changed_is_noticed_even_with_its_digest_made_anew(made):
    from steward.improvement.dataset.manifest import MANIFEST, digest_manifest, parse_manifest

    folder, home = made
    path = folder / MANIFEST
    edit(path, lambda data: data.replace(b'"tenant": "default"', b'"tenant": "others"'))
    assert verify_dataset(folder, home).problems[0] == "manifest.json: was changed after it was built"
    forged = digest_manifest(parse_manifest(path.read_bytes(), ""))
    tree = json.loads(path.read_bytes())
    path.write_text(json.dumps({**tree, "digest": forged}))
    checked = verify_dataset(folder, home)
    assert checked.problems == ("manifest.json: its seal is not of this home's key",) and checked.seal == "broken"
    path.write_text("{")
    assert not verify_dataset(folder, home).intact


def test_where_nothing_was_built_there_is_nothing_to_verify(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        verify_dataset(tmp_path / "none", None)
    with pytest.raises(InputError, match="no training set"):
        read_manifest(tmp_path)


def test_rows_are_exported_without_the_judges(made, tmp_path):
    folder, home = made
    export = export_dataset(folder, "llamafactory", tmp_path / "out", home)
    counts = read_manifest(folder).rows
    assert export.rows == {"train": counts["train"], "select": counts["select"]}
    assert export.files == ("dataset_info.json", "select.jsonl", "train.jsonl")
    info = json.loads((tmp_path / "out" / "dataset_info.json").read_bytes())
    assert sorted(info) == ["shop-select", "shop-train"] and info["shop-train"]["file_name"] == "train.jsonl"


def test_an_altered_set_is_not_exported_and_neither_is_one_without_such_rows(made, tmp_path):
    folder, home = made
    with pytest.raises(InputError, match="no row fits trl-dpo"):
        export_dataset(folder, "trl-dpo", tmp_path / "out", home)
    edit(folder / "train.jsonl", lambda data: data + b"\n")
    with pytest.raises(InputError, match="build it anew, nothing was exported"):
        export_dataset(folder, "openai", tmp_path / "out", home)
    assert not (tmp_path / "out").exists()


def test_a_person_is_erased_into_a_new_version_and_the_old_one_goes(made):
    folder, home = made
    before = read_manifest(folder)
    gone = home.subject_namer("default", "default")("s3")
    erasure = erase_subjects(folder, {gone}, home, lambda: 2e9)
    assert (erasure.removed, erasure.parent, erasure.removed_parent) == (1, before.digest, True)
    assert not folder.exists()
    new = folder.with_name(f"{folder.name}-without-1")
    manifest = read_manifest(new)
    assert verify_dataset(new, home).intact and manifest.parent == before.digest
    assert gone not in manifest.subjects and len(manifest.subjects) == 39
    assert all(row.subject != gone for split in ("train", "select", "judge") for row in read_rows(new, split, home))
    assert [one.digest for one in home.list_registered()] == [before.digest, manifest.digest]


def test_somebody_who_is_not_in_it_leaves_it_as_it_is(made):
    folder, home = made
    assert erase_subjects(folder, {"nobody"}, home, lambda: 2e9).folder is None
    assert verify_dataset(folder, home).intact


def test_another_home_erases_nothing(made, tmp_path):
    folder, _ = made
    subject = read_manifest(folder).subjects[0]
    with pytest.raises(InputError, match="made by another home"):
        erase_subjects(folder, {subject}, DatasetHome(tmp_path / "other"), lambda: 2e9)


def test_two_versions_differ_by_what_was_erased(made):
    folder, home = made
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy)
    erasure = erase_subjects(copy, {home.subject_namer("default", "default")("s3")}, home, lambda: 2e9)
    diff = diff_datasets(folder, folder.with_name("copy-without-1"))
    assert erasure.removed == 1 and (diff.removed, diff.added, diff.subjects_removed) == (1, 0, 1)
