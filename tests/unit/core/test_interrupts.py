"""Interrupts wait while something is removed, and come then."""

from __future__ import annotations

import signal
import threading
from contextlib import nullcontext
from pathlib import Path

import pytest

from steward.core.interrupts import delay_interrupts, remove_temporary, remove_unless_complete


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_comes_after_the_block(number: signal.Signals) -> None:
    done: list[str] = []
    before = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            with delay_interrupts():
                signal.raise_signal(number)
                done.append("removed")
        assert done == ["removed"] and signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with delay_interrupts():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_receive_no_signals() -> None:
    seen: list[object] = []

    def block() -> None:
        with delay_interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=block)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]


def test_files_folders_and_nothing_are_removed(tmp_path: Path) -> None:
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    remove_temporary(tmp_path / "link")
    assert (tmp_path / "folder" / "deep").is_dir()
    for name in ("folder", "file", "none"):
        remove_temporary(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_not_completed_goes(tmp_path: Path) -> None:
    for name, error in (("whole", None), ("cut", KeyboardInterrupt())):
        folder = tmp_path / name
        folder.mkdir()
        with pytest.raises(KeyboardInterrupt) if error else nullcontext():
            with remove_unless_complete(folder):
                (folder / "a").write_text("x")
                if error:
                    raise error
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]
