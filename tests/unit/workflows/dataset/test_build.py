"""A small shop's answers, built into a training set; counts are worked out by hand from the rows."""

import pytest

from steward.core.errors import InputError
from steward.improvement.dataset.rows import TrainingRow
from steward.workflows.dataset.build import build_dataset, load_dataset_config
from steward.workflows.dataset.folder import read_rows, verify_dataset
from steward.workflows.dataset.home import DatasetHome
from training_sets import question, words
from training_sets import write_rows as write


class Shop:
    """Builds sets of its rows, with changes to the settings."""

    def __init__(self, folder):
        self.folder, self.home = folder, DatasetHome(folder / "home")

    def __call__(self, rows, settings="", out="set"):
        write(self.folder / "a.jsonl", rows)
        head = "name: shop\nsources: [{path: a.jsonl}]\nfloor: {rows: 5, subjects: 2}\n"
        (self.folder / "d.yaml").write_text(head + settings)
        return build_dataset(self.folder / "d.yaml", self.home, self.folder / out, clock=lambda: 1.8e9)


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path)


def steps(result):
    return {step.name: step for step in result.steps}


def test_every_row_of_forty_is_in_one_slice_and_the_set_verifies(shop):
    result = shop([question(n) for n in range(40)])
    assert sum(result.manifest.rows.values()) == 40 and len(result.manifest.subjects) == 40
    rows = [row for split in ("train", "select", "judge") for row in read_rows(shop.folder / "set", split, shop.home)]
    assert sorted(row.id for row in rows) == sorted(f"a.jsonl:{n}" for n in range(1, 41))
    assert all(isinstance(row, TrainingRow) and len(row.subject) == 32 for row in rows)
    checked = verify_dataset(shop.folder / "set", shop.home)
    assert (checked.intact, checked.seal, checked.rows) == (True, "valid", 40)
    assert [one.name for one in result.manifest.sources] == ["a.jsonl"]


def test_the_judge_slice_lies_there_as_ciphertext(shop):
    shop([question(n) for n in range(40)])
    sealed = (shop.folder / "set" / "judge.jsonl.sealed").read_bytes()
    assert sealed.startswith(b"STWCRYPT") and b"Surely" not in sealed
    with pytest.raises(InputError, match="sealed; it opens in the home that built it"):
        read_rows(shop.folder / "set", "judge")


def test_no_name_of_a_person_is_kept(shop):
    shop([{**question(n), "subject": f"ana-{n}@shop.example"} for n in range(40)])
    for path in (shop.folder / "set").iterdir():
        assert b"ana-" not in path.read_bytes(), path.name


def test_whoever_said_no_is_left_out_though_the_basis_is_another(shop):
    rows = [{**question(n), "training": "no" if n < 3 else None} for n in range(40)]
    assert steps(shop(rows))["consent"].reasons == {"the person said no": 3}


def test_with_consent_as_the_basis_each_row_must_say_yes(shop):
    rows = [{**question(n), "agreed": ("yes", "no", None)[n % 3]} for n in range(30)]
    write(shop.folder / "a.jsonl", rows)
    (shop.folder / "d.yaml").write_text(
        "name: shop\nsources: [{path: a.jsonl, basis: consent, consent: agreed}]\nfloor: {rows: 1, subjects: 1}\n"
    )
    result = build_dataset(shop.folder / "d.yaml", shop.home, shop.folder / "set")
    assert steps(result)["consent"].reasons == {"the person said no": 10, "no consent on record": 10}
    assert result.manifest.consents == {"consent, given": 10}


def test_a_source_for_another_purpose_gives_nothing_and_is_refused(shop):
    write(shop.folder / "a.jsonl", [question(n) for n in range(30)])
    (shop.folder / "d.yaml").write_text("name: shop\nsources: [{path: a.jsonl, purposes: [support]}]\n")
    result = build_dataset(shop.folder / "d.yaml", shop.home, shop.folder / "set")
    assert result.refused == "no row is left; expected 200 or more (floor.rows)"
    assert result.folder is None and not (shop.folder / "set").exists()
    assert steps(result)["consent"].reasons == {"not kept for training": 30}


def test_all_of_one_person_is_refused(shop):
    result = shop([{**question(n), "subject": "ana"} for n in range(400)], "cap: {share: 1, rows: 400}")
    assert result.refused is None or "one person" in result.refused or "no row is left" in result.refused
    assert result.manifest is None


def test_a_correction_is_learnt_and_what_was_served_is_the_worse_answer(shop):
    rows = [question(n) for n in range(40)]
    rows[7]["correction"] = "It is the other one, sorry for that."
    result = shop(rows)
    assert result.manifest.origins["correction"] == 1
    every = [row for split in ("train", "select", "judge") for row in read_rows(shop.folder / "set", split, shop.home)]
    corrected = next(row for row in every if row.origin == "correction")
    assert corrected.completion[0]["content"] == "It is the other one, sorry for that."
    assert corrected.rejected[0]["content"] == rows[7]["completion"]


def test_scores_make_good_and_bad_answers_and_nought_none(shop):
    rows = [{**question(n), "score": (1, -1, 0, None)[n % 4]} for n in range(40)]
    result = shop(rows)
    assert result.manifest.origins == {"file": 10, "rating": 20}
    assert "10 rows were passed over: rated 0" in result.warnings


def test_personal_data_goes_out_of_texts(shop):
    rows = [question(n) for n in range(40)]
    rows[3]["completion"] = "Write to bob@example.com, " + rows[3]["completion"]
    result = shop(rows)
    assert steps(result)["scrub"].changed == 1
    every = b"".join(path.read_bytes() for path in (shop.folder / "set").iterdir())
    assert b"bob@example.com" not in every


def test_duplicates_go_and_the_correction_is_the_one_that_stays(shop):
    rows = [question(n) for n in range(40)]
    rows[5] = {**rows[6], "subject": "s5", "correction": rows[6]["completion"], "completion": "Wrong answer."}
    result = shop(rows)
    assert steps(result)["dedupe.exact"].removed == 1
    assert result.manifest.origins == {"correction": 1, "file": 38}


def test_rows_that_quote_an_evaluation_set_and_rows_of_its_people_go(shop):
    rows = [{**question(n), "prompt": f"Please tell me {words(n, 14)}?"} for n in range(40)]
    write(shop.folder / "e.jsonl", [{"user": rows[9]["prompt"], "subject": "s20", "references": ["x"]}])
    result = shop(rows, "evaluation_sets: [{path: e.jsonl, fields: [user]}]")
    assert steps(result)["decontaminate"].reasons == {"contaminated": 1}
    assert steps(result)["evaluation subjects"].reasons == {"in an evaluation set": 1}
    assert sum(result.manifest.rows.values()) == 38


def test_an_evaluation_set_that_is_not_there_or_has_other_fields_is_an_error(shop):
    with pytest.raises(InputError, match=r"no file matches 'e\.jsonl'"):
        shop([question(n) for n in range(40)], "evaluation_sets: [{path: e.jsonl}]")
    write(shop.folder / "e.jsonl", [{"question": "x"}])
    with pytest.raises(InputError, match="no field 'user'; its fields are question"):
        shop([question(n) for n in range(40)], "evaluation_sets: [{path: e.jsonl, fields: [user]}]")


def test_replay_is_a_quarter_of_the_training_slice_only(shop):
    write(shop.folder / "old.jsonl", [question(n + 1000) for n in range(60)])
    result = shop([question(n) for n in range(60)], "replay: {path: old.jsonl}")
    train = read_rows(shop.folder / "set", "train")
    replayed = [row for row in train if row.origin == "replay"]
    new = len(train) - len(replayed)
    assert len(replayed) == round(new / 3) and result.manifest.replay_share == pytest.approx(0.25, abs=0.01)
    assert all(row.origin != "replay" for row in read_rows(shop.folder / "set", "select"))


def test_without_replay_and_with_too_little_of_it_there_is_a_warning(shop):
    assert any("forgets" in warning for warning in shop([question(n) for n in range(40)]).warnings)
    write(shop.folder / "old.jsonl", [question(1000)])
    few = shop([question(n) for n in range(40)], "replay: {path: old.jsonl}", out="few")
    assert any(warning.startswith("replay: 1 old rows of ") for warning in few.warnings)


def test_the_same_person_is_in_the_same_slice_of_every_version(shop):
    shop([question(n) for n in range(40)])
    shop([question(n) for n in range(20, 60)], out="later")

    def people(name):
        return {
            row.subject: split
            for split in ("train", "select", "judge")
            for row in read_rows(shop.folder / name, split, shop.home)
        }

    first, second = people("set"), people("later")
    both = first.keys() & second.keys()
    assert len(both) == 20 and all(first[one] == second[one] for one in both)


def test_a_broken_contract_stops_the_set(shop):
    with pytest.raises(InputError, match=r"breaks its contract: rows: .* expected 1,000 or more"):
        shop([question(n) for n in range(40)], "contract: {rows: {min: 1000}}")
    assert not (shop.folder / "set").exists()
    assert list(shop.folder.glob(".making-*")) == []


def test_a_folder_that_exists_is_left_alone(shop):
    (shop.folder / "set").mkdir()
    with pytest.raises(InputError, match="exists; name another folder"):
        shop([question(n) for n in range(40)])


def test_a_folder_that_exists_is_told_of_before_anything_is_read(shop):
    (shop.folder / "set").mkdir()
    with pytest.raises(InputError, match=r"--out .*set: exists; name another folder"):
        shop(["no row"])


def test_without_a_folder_the_set_lies_in_its_home_and_nothing_beside_it(shop):
    shop([question(n) for n in range(40)])
    made = build_dataset(shop.folder / "d.yaml", shop.home, clock=lambda: 1.8e9)
    assert [path.name for path in shop.home.folder.iterdir() if path.is_dir()] == [
        f"shop-{made.manifest.digest.removeprefix('sha256:')[:12]}"
    ]


def test_what_is_written_is_readable_by_its_owner_only(shop):
    shop([question(n) for n in range(40)])
    assert (shop.folder / "set").stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (shop.folder / "set").iterdir())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: s\nsources: [{path: a.jsonl}]\nscrub: {profile: gdrp}\n", r"d.yaml:3: .*did you mean 'gdpr'"),
        ("name: s\nsources: [{path: a.jsonl}]\ncontract: {row: {min: 1}}\n", r"d.yaml:3: row: unknown key"),
        ("name: s\nsources: [{path: a.jsonl}]\nflor: {}\n", r"d.yaml:3: flor: unknown key; did you mean 'floor'"),
    ],
)
def test_mistakes_are_told_with_line_and_nearest_name(tmp_path, text, message):
    (tmp_path / "d.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        load_dataset_config(tmp_path / "d.yaml")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"score": 3}, "a.jsonl:1: score is '3'; expected a number from -1 to 1"),
        ({"at": "yesterday"}, "a.jsonl:1: at is 'yesterday'; expected seconds since 1970"),
        ({"training": "maybe"}, "a.jsonl:1: training is 'maybe'; expected yes or no"),
    ],
)
def test_a_row_that_cannot_be_understood_is_named(shop, row, message):
    with pytest.raises(InputError, match=message):
        shop([{**question(1), **row}])


def test_documents_are_no_training_rows(shop):
    with pytest.raises(InputError, match="documents, not questions with answers"):
        shop([{"text": "Once upon a time."}])


def test_the_newest_week_is_a_second_sealed_slice_to_judge_by(shop):
    now, week = 1.8e9, 7 * 86400.0
    rows = [{**question(n), "at": now - (10.0 if n < 6 else 2 * week)} for n in range(60)]
    result = shop(rows)
    newest = read_rows(shop.folder / "set", "newest", shop.home)
    assert newest and {row.at for row in newest} == {now - 10.0} and result.manifest.rows["newest"] == len(newest)
    for split in ("train", "select"):
        assert {row.at for row in read_rows(shop.folder / "set", split)} == {now - 2 * week}
    assert (shop.folder / "set" / "newest.jsonl.sealed").read_bytes().startswith(b"STWCRYPT")
    checked = verify_dataset(shop.folder / "set", shop.home)
    assert (checked.intact, checked.rows) == (True, 60)
    (shop.folder / "set" / "newest.jsonl.sealed").unlink()
    assert not verify_dataset(shop.folder / "set", shop.home).intact


def test_a_set_of_one_week_has_no_newest_week_and_says_so(shop):
    result = shop([{**question(n), "at": 1.8e9 - n} for n in range(60)])
    assert result.manifest.rows["newest"] == 0 and not (shop.folder / "set" / "newest.jsonl.sealed").exists()
    assert any("100% of the new rows are of the newest 7 days" in line for line in result.manifest.warnings)


def test_a_plain_set_warns_of_what_it_lacks_and_of_nothing_else(shop):
    """Rows of a file need no ratings, and without dates there is no newest week to speak of."""
    assert shop([question(n) for n in range(40)]).warnings == (
        "no replay: a model that is trained on new rows alone forgets old topics",
    )


def test_old_rows_that_people_wrote_make_room_for_what_a_model_wrote(shop):
    """By default half may be a model's. Of 100 new rows 60 are; a third as many again, by people, come in beside."""
    for name, numbers in (("people", range(40)), ("model", range(40, 100)), ("old", range(1000, 1060))):
        write(shop.folder / f"{name}.jsonl", [question(n) for n in numbers])
    head = (
        "name: shop\nfloor: {rows: 5, subjects: 2}\n"
        "sources: [{path: people.jsonl}, {path: model.jsonl, written_by: model}]\n"
    )
    (shop.folder / "d.yaml").write_text(f"{head}replay: {{path: old.jsonl}}\n")
    with_old = build_dataset(shop.folder / "d.yaml", shop.home, shop.folder / "with")
    assert steps(with_old)["model share"].removed == 0
    (shop.folder / "d.yaml").write_text(head)
    assert steps(build_dataset(shop.folder / "d.yaml", shop.home, shop.folder / "out"))["model share"].removed > 0


def test_progress_goes_from_the_first_step_to_the_last(shop):
    write(shop.folder / "a.jsonl", [question(n) for n in range(40)])
    (shop.folder / "d.yaml").write_text("name: shop\nsources: [{path: a.jsonl}]\nfloor: {rows: 5, subjects: 2}\n")
    seen = []
    build_dataset(shop.folder / "d.yaml", shop.home, shop.folder / "set", progress=lambda *said: seen.append(said))
    assert [said for said in seen if said[2] in ("reading", "writing", "checking")] == [
        (0, 8, "reading"), (6, 8, "writing"), (7, 8, "checking"),
    ]  # fmt: skip
    assert [done for done, of, _ in seen if of == 8] == sorted(done for done, of, _ in seen if of == 8)
