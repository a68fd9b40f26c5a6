"""Captured exchanges in a worker's files: sealed, bounded, and counted where they could not be written."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from steward.core.captures import CapturedContent, CapturedExchange
from steward.core.records import Tally
from steward.gateway.ledger import decode_frames
from steward.security.hierarchy import read_header
from steward.security.rootkey import RootKeys
from steward.workflows.serve.capture_spool import FolderCaptureSpool

RECORD = CapturedExchange(
    request_id="req_a", at=100.0, key_id="k", project="p", endpoint="/v1/chat/completions", route="m", model="m",
    streamed=True, subject=None, conversation=None, purpose="training", consent=True, form="masked",
    rules_version="v", expires_at=200.0, complete=True, sealed=b"",
)  # fmt: skip
CONTENT = CapturedContent(b'{"a":1}', ())


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def make_spool(folder: Path, clock: Clock | None = None) -> FolderCaptureSpool:
    spool = FolderCaptureSpool(folder, "w", lambda: RootKeys(bytes(32)), clock or Clock())
    spool.max_bytes = 1024
    return spool


def count(tally: Tally | None) -> dict[tuple[str, str], int]:
    assert tally is None or tally.meter == "captures"
    rows = {} if tally is None else {tuple(value for _, value in labels): number for labels, number in tally.counts}
    return rows  # type: ignore[return-value]


def test_nothing_is_opened_before_something_is_kept(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "c")
    spool.sync()
    spool.rotate()
    spool.close()
    assert spool.take_counts(1.0) is None and not (tmp_path / "c").exists()


def test_what_is_kept_is_sealed_and_counted(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "c")
    spool.keep(RECORD, CONTENT)
    [segment] = (tmp_path / "c").glob("*.seg")
    [record], _ = decode_frames(segment.read_bytes())
    assert isinstance(record, CapturedExchange) and read_header(record.sealed).level == "segment"
    assert count(spool.take_counts(1.0)) == {("training", "kept"): 1}
    assert spool.take_counts(2.0) is None


def test_counts_that_could_not_be_written_come_back(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "c")
    spool.count_skipped("too_long", "support")
    tally = spool.take_counts(1.0)
    assert tally is not None
    spool.put_back(tally)
    spool.count_skipped("too_long", "support")
    assert count(spool.take_counts(2.0)) == {("support", "too_long"): 2}


def test_a_full_spool_keeps_no_more_until_it_is_drained(tmp_path: Path) -> None:
    clock = Clock()
    spool = make_spool(tmp_path / "c", clock)
    (tmp_path / "c").mkdir()
    other = tmp_path / "c" / "x-000000.seg"
    other.write_bytes(bytes(1024))
    spool.keep(RECORD, CONTENT)
    assert count(spool.take_counts(1.0)) == {("training", "spool_full"): 1}
    other.unlink()
    spool.keep(RECORD, CONTENT)  # its size is believed for a second
    assert count(spool.take_counts(1.0)) == {("training", "spool_full"): 1}
    clock.now = 1.0
    spool.keep(RECORD, CONTENT)
    assert count(spool.take_counts(1.0)) == {("training", "kept"): 1}


def test_a_disk_that_takes_nothing_is_counted_and_breaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = make_spool(tmp_path / "c")
    spool.keep(RECORD, CONTENT)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    spool.keep(RECORD, CONTENT)
    monkeypatch.undo()
    spool.keep(RECORD, CONTENT)
    assert count(spool.take_counts(1.0)) == {("training", "kept"): 2, ("training", "disk_full"): 1}


def test_rotating_begins_a_new_segment_once_something_was_written(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "c")
    spool.keep(RECORD, CONTENT)
    spool.rotate()
    spool.rotate()
    assert len(list((tmp_path / "c").glob("*.seg"))) == 2
    spool.close()


def test_before_anything_is_kept_nothing_is_renewed(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "c")
    asyncio.run(spool.renew())
    assert not (tmp_path / "c").exists()
    spool.keep(RECORD, CONTENT)
    asyncio.run(spool.renew())
    spool.close()
