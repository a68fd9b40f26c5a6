import json
import sys
from types import SimpleNamespace

import pytest
import yaml

import evaluation_program
from steward.core.errors import InputError, Unavailable, UnknownName
from steward.improvement.experiment import Trial, TrialLimit
from steward.workflows import experiment
from steward.workflows.dataset.folder import erase_subjects, read_manifest, verify_dataset
from steward.workflows.dataset.home import DatasetHome
from steward.workflows.experiment import (
    FOLDER,
    apply_winner,
    find_experiment,
    read_report,
    resume_experiment,
    start_experiment,
)
from steward.workflows.forgetting import Forgetting
from training_sets import build_set, question


@pytest.fixture
def place(tmp_path):
    (tmp_path / "home").mkdir()
    for name, first in (("select", 0), ("judge", 1000)):
        (tmp_path / f"{name}.jsonl").write_text("".join(f'{{"n": {first + n}}}\n' for n in range(90)))
    return tmp_path


def write(place, settings="", space="x: {low: 0.0, high: 1.0}", first="first: {x: 0.1}\n"):
    file = place / "e.yaml"
    file.write_text(
        f"name: e\nspace: {{{space}}}\n{first}trials: 6\nslices: {{select: select.jsonl, judge: judge.jsonl}}\n"
        f"evaluate: [{sys.executable}, {evaluation_program.__file__}]\n{settings}"
    )
    return file


def start(place, settings="", **fields):
    return start_experiment(write(place, settings, **fields), place / "home")


def read_asked(place, report):
    asked = (place / "home" / FOLDER / report.id / "asked.txt").read_text().splitlines()
    return [(int(one[0]), one[1], int(one[2])) for one in map(str.split, asked)]


def test_the_winner_is_measured_again_on_items_that_no_trial_saw(place):
    report = start(place)
    assert report.state == "finished" and len(report.trials) == 6 and report.trials[0].parameters == {"x": 0.1}
    best = max(report.trials, key=lambda trial: trial.mean())
    assert report.winner == best.number and report.first_score.value == pytest.approx(best.mean())
    assert report.second_score.items == 90 and report.judge_uses == 1
    assert report.against_first.items == 90 and report.verdict == "better"  # 0.4 right against the winner's 0.9 or so
    asked = [one for one in read_asked(place, report)]
    assert [one for one in asked if one[1] == "select"] == [(n, "select", 90) for n in range(6)]
    assert sorted(one[0] for one in asked if one[1] == "judge") == sorted({0, report.winner})
    folder = place / "home" / FOLDER / report.id
    assert not list(folder.rglob("*judge*")), "the judge's items stay where they were"
    assert read_report(folder, place / "home") == report
    assert experiment.list_experiments(place / "home") == [report]


def test_halving_asks_few_items_of_many_and_all_of_few(place):
    report = start(place, "halving: {eta: 3, rungs: 2}\n")
    counts = [one[2] for one in read_asked(place, report) if one[1] == "select"]
    assert counts == [30] * 6 + [90] * 2
    assert {trial.items for trial in report.trials} == {30, 90}
    assert next(trial for trial in report.trials if trial.number == report.winner).items == 90


def test_a_limit_keeps_the_best_from_winning(place):
    free, limited = start(place), start(place, "constraints: {latency_s: {max: 0.5}}\n")
    winner = next(trial for trial in limited.trials if trial.number == limited.winner)
    assert winner.parameters["x"] <= 0.5 and limited.winner != free.winner
    assert limited.broken[str(free.winner)].startswith("latency_s is 0.") and free.winner in limited.pareto
    nobody = start(place, "constraints: {latency_s: {max: -1}}\n")
    assert nobody.state == "no winner" and nobody.winner is None


@pytest.mark.parametrize(
    ("mode", "reason"),
    [("dies", "exit code 3"), ("nonsense", "the score of item 1 is '7.0'"), ("hangs", "no result within 1 s")],
)
def test_a_trial_that_goes_wrong_is_told_and_the_others_go_on(place, mode, reason):
    space = f"x: {{low: 0.0, high: 1.0}}, mode: {{choices: ['', {mode}]}}"
    report = start(place, "trial_timeout_s: 1\n", space=space, first="")
    failed = [trial for trial in report.trials if trial.state == "failed"]
    assert failed and all(reason in trial.reason for trial in failed)
    assert all(trial.parameters["mode"] == mode for trial in failed) and report.winner is not None


def test_an_interrupted_experiment_goes_on_where_it_stopped(place, monkeypatch):
    calls = []
    real = experiment._Experiment._try

    def interrupted(self, number, rung, items):
        calls.append(number)
        if number == 3 and len(calls) == 4:
            raise KeyboardInterrupt
        return real(self, number, rung, items)

    monkeypatch.setattr(experiment._Experiment, "_try", interrupted)
    with pytest.raises(KeyboardInterrupt):
        start(place)
    [folder] = (place / "home" / FOLDER).glob("ex_*")
    assert read_report(folder, place / "home").state == "running"
    report = resume_experiment(folder.name, place / "home")
    assert calls == [0, 1, 2, 3, 3, 4, 5] and report.state == "finished"
    asked = [one[0] for one in read_asked(place, report) if one[1] == "select"]
    assert asked == [0, 1, 2, 3, 4, 5]
    assert resume_experiment(folder.name[:-2], place / "home") == report


def test_a_second_look_that_fails_can_be_taken_again(place, monkeypatch):
    first = start(place)
    space = "x: {low: 0.0, high: 1.0}"
    monkeypatch.setenv("DIE_AT", str(first.winner))
    failed = start(place, space=space)
    assert next(one for one in failed.trials if one.number == first.winner).state == "failed"
    monkeypatch.delenv("DIE_AT")
    real = experiment._Experiment._run_program
    monkeypatch.setattr(
        experiment._Experiment, "_run_program",
        lambda self, job: "gone" if json.loads(job.read_bytes())["slice"] == "judge" else real(self, job),
    )  # fmt: skip
    with pytest.raises(Unavailable, match="go on with: steward experiment run --resume ex_"):
        start(place)


def test_uses_of_a_judges_slice_are_counted(place):
    reports = [start(place, "sampler: random\n") for _ in range(2)]
    assert [report.judge_uses for report in reports] == [1, 2]
    uses = place / "home" / FOLDER / "judge-uses.jsonl"
    uses.write_text(uses.read_text() * 5)
    assert start(place).warnings[0].startswith("this judge's slice has judged 11 times")


def test_the_winner_goes_into_train_yaml(place):
    report = start(place)
    folder = find_experiment(place / "home", report.id)
    parameters = apply_winner(folder, place / "home", place / "train.yaml")
    assert parameters == report.parameters and f"x: {report.parameters['x']}" in (place / "train.yaml").read_text()
    with pytest.raises(InputError, match="exists"):
        apply_winner(folder, place / "home", place / "train.yaml")
    nobody = start(place, "constraints: {latency_s: {max: -1}}\n")
    with pytest.raises(InputError, match="nothing to apply"):
        apply_winner(find_experiment(place / "home", nobody.id), place / "home", place / "other.yaml")


def test_what_cannot_start_leaves_nothing(place):
    with pytest.raises(InputError, match="90 items stand in both slices"):
        start_experiment(_with(write(place), "judge: judge.jsonl", "judge: select.jsonl"), place / "home")
    with pytest.raises(InputError, match="no program 'no-such'"):
        start_experiment(_with(write(place), sys.executable, "no-such"), place / "home")
    with pytest.raises(InputError, match="expected JSON lines"):
        start_experiment(_with(write(place), "select: select.jsonl", "select: none.jsonl"), place / "home")
    assert list((place / "home" / FOLDER).glob("ex_*")) == []
    with pytest.raises(UnknownName):
        find_experiment(place / "home", "ex_")


def _with(file, old, new):
    file.write_text(file.read_text().replace(old, new))
    return file


def test_the_winner_is_measured_on_the_newest_items_where_there_are_some(place):
    (place / "newest.jsonl").write_text("".join(f'{{"n": {2000 + n}}}\n' for n in range(30)))
    file = write(place)
    file.write_text(file.read_text().replace("judge: judge.jsonl}", "judge: judge.jsonl, newest: newest.jsonl}"))
    report = start_experiment(file, place / "home")
    assert (report.newest_score.number, report.newest_score.items) == (report.winner, 30)
    assert report.second_score.items == 90 and start(place).newest_score is None


def test_who_is_erased_while_an_experiment_runs_leaves_all_to_be_done_again(place):
    """The items of the select slice lie there in clear, so they go with the person, before the set does."""
    home = DatasetHome(place / "home")
    folder = build_set(place, home, [question(n) for n in range(60)])
    file = write(place)
    file.write_text(file.read_text().replace("slices: {select: select.jsonl, judge: judge.jsonl}", "dataset: set"))
    (person, *_) = read_manifest(folder).subjects
    forgetting = Forgetting(place / "home", folder)

    def erase(at, total, what):
        if what.startswith("trial: 2"):
            with pytest.raises(Unavailable, match="runs on the set"):
                erase_subjects(folder, {person}, home, lambda: 1.9e9, forget=forgetting.forget)

    report = start_experiment(file, place / "home", progress=erase)
    assert report.state == "finished" and verify_dataset(folder, home).intact and not forgetting.experiments
    assert erase_subjects(folder, {person}, home, lambda: 1.9e9, forget=forgetting.forget).removed == 1
    assert forgetting.experiments == {report.id} and not folder.exists()
    kept = [path for path in (place / "home" / FOLDER).rglob("*") if path.is_file()]
    assert not [path for path in kept if b"Please tell me" in path.read_bytes()]
    assert read_report(place / "home" / FOLDER / report.id, place / "home") == report


@pytest.mark.parametrize(
    ("state", "said"), [("succeeded", ""), ("failed", "training failed: no room"), ("cancelled", "training cancelled")]
)
def test_a_trial_trains_with_its_own_parameters_and_the_experiments_seed(tmp_path, monkeypatch, state, said):
    (tmp_path / "train.yaml").write_text("trainer: trl\nparameters: {epochs: 2, rate: 0.1}\n")
    seen = []

    def start_run(file, home):
        seen.append((yaml.safe_load(file.read_text()), home, file.stat().st_mode & 0o077))
        return SimpleNamespace(id="tr_1", state=state, reason="no room")

    monkeypatch.setattr(experiment, "start_run", start_run)
    config = SimpleNamespace(train="train.yaml", seed=7)
    own = SimpleNamespace(_base=tmp_path, _folder=tmp_path / "ex_1", _home=tmp_path / "home", _config=config)
    run, why = experiment._Experiment._train(own, {"rate": 0.5})
    assert run == "tr_1" and why.startswith(said) and bool(why) == bool(said)
    assert seen == [
        ({"trainer": "trl", "parameters": {"epochs": 2, "rate": 0.5}, "seed": 7}, tmp_path / "home", 0)
    ]  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["train.yaml"]


def test_a_sampler_learns_from_trials_that_have_ended_and_that_those_beyond_a_limit_are_none(monkeypatch):
    trials = [
        Trial(number=0, parameters={"x": 0.0}, state="complete", scores=(1.0, 0.0), metrics={"latency_s": 0.2}),
        Trial(number=1, parameters={"x": 0.1}, state="complete", scores=(1.0,), metrics={"latency_s": 0.9}),
        Trial(number=2, parameters={"x": 0.2}, state="failed"),
        Trial(number=3, parameters={"x": 0.3}, state="running"),
    ]
    asked = []
    sampler = SimpleNamespace(sample=lambda number, known: asked.append((number, known)) or {"x": 0.4})
    monkeypatch.setattr(experiment, "_make_sampler", lambda _: sampler)
    limits = [TrialLimit(metric="latency_s", max=0.5)]
    config = SimpleNamespace(first={"x": 0.5}, limits=lambda: limits)
    own = SimpleNamespace(_config=config, _trials={trial.number: trial for trial in trials})
    assert experiment._Experiment._choose_point(own, 0) == {"x": 0.5}  # as it was told
    assert experiment._Experiment._choose_point(own, 4) == {"x": 0.4}
    assert asked == [(4, [({"x": 0.0}, 0.5), ({"x": 0.1}, None), ({"x": 0.2}, None)])]
