"""What waits in real ledger files, and since when."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from steward.core.errors import Exhausted, Unavailable
from steward.core.records import Admitted
from steward.gateway.ledger import LedgerWriter, encode_frame
from steward.monitoring.conditions import LedgerBacklog
from steward.workflows.backlog import BacklogReader, Waiting, add_up, read_backlog

NOW = 1_764_547_200.0


def make(at: float) -> Admitted:
    return Admitted(request_id="r", at=at, key_id="k", project="p", endpoint="/v1/x", route="m", streamed=False)


def test_bytes_are_those_beyond_the_offset_and_a_lock_is_no_ledger(tmp_path: Path) -> None:
    for name, size in (("w-000000.seg", 500), ("w-000001.seg", 300)):
        (tmp_path / name).write_bytes(bytes(size))
        os.utime(tmp_path / name, (NOW - 90.0, NOW - 90.0))
    (tmp_path / "w.lock").write_bytes(b"")
    files = sorted(read_backlog([tmp_path], {"w-000000.seg": 500}, NOW), key=lambda file: file.bytes)
    assert files == [LedgerBacklog(0, 90.0), LedgerBacklog(300, 90.0)]


def test_a_file_that_is_written_to_all_the_time_is_as_old_as_its_first_record_that_waits(tmp_path: Path) -> None:
    writer = LedgerWriter(tmp_path, "w")
    for age in (300.0, 200.0, 0.0):
        writer.append(make(NOW - age))
    (segment,) = tmp_path.glob("*.seg")
    os.utime(segment, (NOW, NOW))
    first, size = len(encode_frame(make(NOW - 300.0))), segment.stat().st_size
    assert read_backlog([tmp_path], {}, NOW) == [LedgerBacklog(size, 300.0)]
    assert read_backlog([tmp_path], {segment.name: first}, NOW) == [LedgerBacklog(size - first, 200.0)]
    assert read_backlog([tmp_path], {segment.name: size}, NOW) == [LedgerBacklog(0, 0.0)]
    assert read_backlog([tmp_path], {}, NOW - 900.0) == [LedgerBacklog(size, 0.0)]  # the clock was set back
    writer.close()


def test_a_damaged_record_is_as_old_as_its_file(tmp_path: Path) -> None:
    (tmp_path / "w-000000.seg").write_bytes(b"\x01\x00\x00\x00\x00\x00\x00\x00x")
    os.utime(tmp_path / "w-000000.seg", (NOW - 7.0, NOW - 7.0))
    assert read_backlog([tmp_path], {}, NOW) == [LedgerBacklog(9, 7.0)]


def test_files_add_up_and_one_that_is_read_to_its_end_does_not_wait() -> None:
    assert add_up([]) == Waiting(0, 0.0)
    assert add_up([LedgerBacklog(0, 9e9), LedgerBacklog(5, 2.0), LedgerBacklog(7, 3.0)]) == Waiting(12, 3.0)


@pytest.mark.parametrize("error", [Unavailable("gone"), Exhausted("full")])
def test_without_the_store_what_it_had_taken_last_holds(tmp_path: Path, error: Exception) -> None:
    answers: list[dict[str, int] | Exception] = [error, {"w-000000.seg": 100}, error]

    def read_offsets() -> dict[str, int]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    (tmp_path / "w-000000.seg").write_bytes(bytes(150))
    os.utime(tmp_path / "w-000000.seg", (NOW, NOW))
    reader = BacklogReader([tmp_path], read_offsets)
    assert reader.read(NOW) is None
    assert reader.read(NOW + 1) == Waiting(50, 1.0)
    assert reader.read(NOW + 2) == Waiting(50, 2.0)
