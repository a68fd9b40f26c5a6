"""A training run with the trainer `command` in each way that it can go; times are short, no test waits for luck."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import trainer_program
from steward.core.errors import InputError, Interrupted, UnknownName
from steward.core.steady_clock import SteadyClock
from steward.workflows.dataset.home import DatasetHome
from steward.workflows.train.folder import ARTEFACTS, FOLDER, WORK, find_run, list_runs, read_state
from steward.workflows.train.run import cancel_run, resume_run, start_run
from training_sets import build_set, question


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    build_set(folder, DatasetHome(folder / "home"), [question(n) for n in range(40)])
    return folder


def write_config(shop, mode="", settings=""):
    file = shop / "train.yaml"
    words = f"[{sys.executable}, {trainer_program.__file__}]"
    head = f"trainer: command\ndataset: set\nmin_free_gb: 0\ncommand: {words}\nparameters: {{mode: '{mode}'}}\n"
    file.write_text(head + settings)
    return file


def start(shop, mode="", settings="", **options):
    return start_run(write_config(shop, mode, settings), shop / "home", **options)


def test_a_run_to_its_end_keeps_what_was_made(shop):
    told = []
    run = start(shop, progress=lambda done, total, what: told.append((done, total)))
    assert (run.state, run.step, run.steps, run.loss) == ("succeeded", 10, 10, 0.1)
    folder = Path(run.folder)
    assert [one.name for one in run.artefacts] == ["model.gguf"]
    assert (folder / ARTEFACTS / "model.gguf").read_bytes() == b"GGUF and more" and not (folder / WORK).exists()
    assert read_state(folder) == run and list_runs(shop / "home")[0].id == run.id
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.glob("*.json*"))
    assert all(total in (0, 10) for _, total in told)


@pytest.mark.parametrize(
    ("mode", "state", "reason"),
    [
        ("nan", "stopped", "the loss is nan"),
        ("killed", "failed", "killed by signal 9"),
        ("error", "failed", "exit code 7: the rows are sour"),
        ("broken", "failed", "begins with b'brok', expected b'GGUF'"),
        ("nothing", "failed", "ended without an artefact"),
    ],
)
def test_what_goes_wrong_is_told_and_leaves_no_artefact(shop, mode, state, reason):
    run = start(shop, mode)
    assert run.state == state and reason in run.reason
    assert run.artefacts == () and not (Path(run.folder) / ARTEFACTS).exists()


def test_no_event_for_too_long_stops_the_run(shop):
    run = start(shop, "hang", "hang_after_s: 0.5\n")
    assert run.state == "stopped" and run.reason.startswith("no event for") and run.step == 5


def test_a_clock_that_is_set_ahead_is_no_hang_and_no_spent_budget(shop, monkeypatch):
    looks = [1e9, 9e9]  # two centuries ahead, had it been looked at again

    def look():
        return looks.pop(0)

    monkeypatch.setattr("steward.workflows.train.run.SteadyClock", lambda: SteadyClock(look))
    assert start(shop, settings="hang_after_s: 60\nbudget: {hours: 1}\n").state == "succeeded"
    assert looks == [9e9]


def test_money_and_time_are_budgets(shop):
    run = start(shop, "cost", "budget: {usd: 99}\n")
    assert (run.state, run.reason) == ("stopped", "$100.00 spent; the budget is $99.00")
    run = start(shop, "hang", "budget: {hours: 0.0001}\n")
    assert (run.state, run.reason) == ("stopped", "the budget of 0.0001 hours is used up")


def test_a_full_disk_starts_nothing(shop):
    run = start(shop, settings="").id and start_run(
        _with(write_config(shop), "min_free_gb: 0", "min_free_gb: 1000000000"), shop / "home"
    )
    assert run.state == "stopped" and "are free on the disk; expected 1000000000.0 GB" in run.reason and run.step == 0


def _with(file, old, new):
    file.write_text(file.read_text().replace(old, new))
    return file


def test_after_a_kill_it_goes_on_from_its_checkpoint(shop):
    killed = start(shop, "killed")
    assert killed.state == "failed" and killed.step == 5
    run = resume_run(killed.id, shop / "home")
    assert (run.state, run.attempts, run.step) == ("succeeded", 2, 10)
    events = (Path(run.folder) / "events.jsonl").read_text()
    assert "beginning with step 1" in events and "beginning with step 6" in events
    with pytest.raises(InputError, match="has succeeded; nothing to resume"):
        resume_run(killed.id, shop / "home")


def test_a_run_is_cancelled_from_elsewhere(shop):
    before = {run.id for run in list_runs(shop / "home")}
    results = []
    thread = threading.Thread(target=lambda: results.append(start(shop, "hang")))
    thread.start()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        new = [run for run in list_runs(shop / "home") if run.id not in before]
        if new and new[0].step == 5:
            break
        time.sleep(0.05)
    cancelled = cancel_run(new[0].id, shop / "home")
    thread.join(30)
    assert cancelled.state == "cancelled" and results[0].state == "cancelled" and cancelled.checkpoint
    with pytest.raises(InputError, match="does not run: cancelled"):
        cancel_run(cancelled.id, shop / "home")


def test_an_interrupt_at_its_very_start_leaves_no_trainer_behind(shop, monkeypatch):
    started = []

    def start_and_interrupt(*arguments, **options):
        started.append(Popen(*arguments, **options))
        signal.raise_signal(signal.SIGINT)
        return started[-1]

    Popen = subprocess.Popen
    monkeypatch.setattr("steward.workflows.train.run.subprocess.Popen", start_and_interrupt)
    with pytest.raises(Interrupted, match="steward train run --resume"):
        start(shop, "hang")
    assert started[0].poll() is not None and list_runs(shop / "home")[0].state == "cancelled"


def test_whoever_watched_is_gone_and_the_run_is_lost(shop):
    import msgspec

    run = start(shop)
    folder = Path(run.folder)
    (folder / "state.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(run, state="running")))
    lost = read_state(folder)
    assert lost.state == "lost" and f"steward train run --resume {run.id}" in lost.reason


def test_preparing_writes_all_and_starts_nothing(shop):
    run = start(shop, prepare_only=True)
    folder = Path(run.folder)
    assert run.state == "prepared" and (folder / "job.json").exists() and (folder / "rows" / "train.jsonl").exists()
    assert not (folder / "log.txt").exists()


def test_what_cannot_start_leaves_no_folder(shop):
    before = set((shop / "home" / FOLDER).iterdir())
    for old, new, message in (
        ("trainer: command", "trainer: comand", "did you mean 'command'"),
        ("dataset: set", "dataset: nowhere", "no such folder"),
        (f"command: [{sys.executable}", "command: [no-such-program", "no program 'no-such-program'"),
    ):
        with pytest.raises(InputError, match=message):
            start_run(_with(write_config(shop), old, new), shop / "home")
    (shop / "ax.yaml").write_text("trainer: axolotl\ndataset: set\nbase: m\nmin_free_gb: 0\n")
    with pytest.raises(InputError, match="axolotl is not installed"):
        start_run(shop / "ax.yaml", shop / "home")
    (shop / "fs.yaml").write_text("trainer: few-shot\ndataset: set\nmethod: dpo\n")
    with pytest.raises(InputError, match="few-shot does not train by 'dpo'; it knows prompt, sft"):
        start_run(shop / "fs.yaml", shop / "home")
    assert set((shop / "home" / FOLDER).iterdir()) == before


def test_an_altered_set_is_not_trained_on(shop, tmp_path):
    folder = build_set(tmp_path, DatasetHome(tmp_path / "home"), [question(n) for n in range(40)])
    (folder / "train.jsonl").write_bytes((folder / "train.jsonl").read_bytes().replace(b"Surely", b"Hardly", 1))
    file = write_config(tmp_path)
    with pytest.raises(InputError, match="nothing was trained"):
        start_run(file, tmp_path / "home")


def test_a_run_is_found_by_the_beginning_of_its_id(shop):
    run = start(shop)
    assert find_run(shop / "home", run.id[:-2]).name == run.id
    with pytest.raises(InputError, match="is the beginning of"):
        find_run(shop / "home", "tr_")
    with pytest.raises(UnknownName):
        find_run(shop / "home", "x")
