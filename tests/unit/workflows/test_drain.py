"""Ledger segments reach the store exactly once; damage holds up no other segment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from steward.core.errors import Contradiction, Unavailable
from steward.core.records import Admitted, LedgerRecord, Settled
from steward.gateway.ledger import LedgerWriter, encode_frame, segment_name
from steward.workflows.drain import (
    AS_THEY_ARE,
    BATCH_BYTES,
    BUSY_PAUSE_S,
    BUSY_ROWS,
    PAUSE_S,
    LedgerDrain,
    drain_once,
    drain_segment,
)


class Ledger:
    """A store in memory."""

    def __init__(self) -> None:
        self.records: list[LedgerRecord] = []
        self.taken: dict[str, int] = {}
        self.lost_of: list[str] = []
        self.deleted: list[str] = []
        self.lost = 0

    def offsets(self) -> dict[str, int]:
        return dict(self.taken)

    def drain(self, writer: str, segment: str, offset_to: int, records: Sequence[LedgerRecord]) -> int:
        self.taken[segment] = offset_to
        self.records += records
        return sum(isinstance(record, Settled) for record in records)

    def settle_lost(self, writer: str, at: float) -> int:
        self.lost_of.append(writer)
        return self.lost

    def delete_segment(self, segment: str) -> None:
        self.deleted.append(segment)
        self.taken.pop(segment, None)


def admitted(name: str) -> Admitted:
    return Admitted(request_id=name, at=1.0, key_id="k", project="p", endpoint="/v1/x", route="m", streamed=False)


def settled(name: str) -> Settled:
    return Settled(request_id=name, at=2.0, outcome="ok", status=200, model="m")


def frames(*records: LedgerRecord) -> bytes:
    return b"".join(map(encode_frame, records))


def test_what_is_new_is_taken_in_once(tmp_path: Path) -> None:
    segment, ledger = tmp_path / segment_name("w", 1), Ledger()
    first = frames(admitted("a"), settled("a"))
    segment.write_bytes(first)
    assert drain_segment(segment, ledger, 0) == 1 and ledger.taken[segment.name] == len(first)  # type: ignore[arg-type]
    segment.write_bytes(first + frames(admitted("b"), settled("b"), settled("c")))
    assert drain_segment(segment, ledger, len(first)) == 2  # type: ignore[arg-type]
    assert [record.request_id for record in ledger.records] == ["a", "a", "b", "b", "c"]  # type: ignore[union-attr]


def test_a_torn_tail_waits(tmp_path: Path) -> None:
    segment, ledger = tmp_path / segment_name("w", 1), Ledger()
    whole = frames(settled("a"))
    segment.write_bytes(whole + frames(settled("b"))[:-1])
    assert drain_segment(segment, ledger, 0) == 1 and ledger.taken[segment.name] == len(whole)  # type: ignore[arg-type]


def test_a_frame_larger_than_a_batch_is_read(tmp_path: Path) -> None:
    segment, ledger = tmp_path / segment_name("w", 1), Ledger()
    large = admitted("x" * (2 * BATCH_BYTES))
    segment.write_bytes(frames(large, settled("b")))
    assert drain_segment(segment, ledger, 0) == 1 and len(ledger.records) == 2  # type: ignore[arg-type]


def test_many_batches_are_read_in_one_round(tmp_path: Path) -> None:
    segment, ledger = tmp_path / segment_name("w", 1), Ledger()
    many = [settled(f"{number:05d}" + "x" * 1_000) for number in range(2_500)]  # more than two batches
    segment.write_bytes(frames(*many))
    assert drain_segment(segment, ledger, 0) == 2_500 and len(ledger.records) == 2_500  # type: ignore[arg-type]


def test_a_living_writer_keeps_its_last_segment(tmp_path: Path) -> None:
    writer, ledger = LedgerWriter(tmp_path, "w"), Ledger()
    writer.append(settled("a"))
    report = drain_once(tmp_path, ledger, 5.0)  # type: ignore[arg-type]
    assert (report.settled, report.lost, report.damaged) == (1, 0, ()) and ledger.lost_of == []
    assert len(list(tmp_path.glob("*.seg"))) == 1 and ledger.deleted == []
    assert drain_once(tmp_path, ledger, 5.0).settled == 0  # type: ignore[arg-type]
    writer.close()
    ledger.lost = 3
    assert drain_once(tmp_path, ledger, 5.0).lost == 3  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == [] and ledger.lost_of == ["w"] and len(ledger.deleted) == 1


def test_damage_is_kept_and_named_and_what_precedes_it_is_taken_in(tmp_path: Path) -> None:
    bad, good, ledger = tmp_path / segment_name("a", 1), tmp_path / segment_name("b", 1), Ledger()
    torn = bytearray(frames(settled("x"), settled("y")))
    torn[-1] ^= 1
    bad.write_bytes(bytes(torn))
    good.write_bytes(frames(settled("z")))
    report = drain_once(tmp_path, ledger, 5.0)  # type: ignore[arg-type]
    assert report.settled == 1 and len(report.damaged) == 1 and report.damaged[0].startswith(f"{bad.name}: ")
    assert [record.request_id for record in ledger.records] == ["x", "z"]  # type: ignore[union-attr]
    assert [path.suffix for path in tmp_path.iterdir()] == [".damaged"]
    with pytest.raises(Contradiction):
        drain_segment(bad.with_suffix(".damaged"), ledger, len(frames(settled("x"))))  # type: ignore[arg-type]


def test_the_store_is_not_asked_for_offsets_of_segments_that_are_empty(tmp_path: Path) -> None:
    class Down(Ledger):
        def offsets(self) -> dict[str, int]:
            raise Unavailable("the store does not answer")

    ledger, writer = Down(), LedgerWriter(tmp_path, "w")
    assert drain_once(tmp_path, ledger, 5.0).settled == 0  # type: ignore[arg-type]
    writer.append(settled("a"))
    with pytest.raises(Unavailable):
        drain_once(tmp_path, ledger, 5.0)  # type: ignore[arg-type]
    writer.close()


def test_a_busy_round_is_followed_by_a_longer_pause(tmp_path: Path) -> None:
    writer = LedgerWriter(tmp_path, "w")
    drain = LedgerDrain([tmp_path], Ledger(), AS_THEY_ARE)  # type: ignore[arg-type]
    pauses = []
    for count in (0, BUSY_ROWS - 1, BUSY_ROWS, 1):
        for number in range(count):
            writer.append(settled(str(number)))
        drain.run()
        pauses.append(drain.find_pause_s())
    writer.close()
    assert pauses == [PAUSE_S, PAUSE_S, BUSY_PAUSE_S, PAUSE_S]


def test_damage_is_named_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger()
    folder = tmp_path / "ledger"
    drain = LedgerDrain([folder], ledger, AS_THEY_ARE, lambda: 5.0)  # type: ignore[arg-type]
    assert folder.stat().st_mode & 0o777 == 0o700
    writer = LedgerWriter(folder, "w")
    writer.append(settled("a"))
    (segment,) = folder.glob("*.seg")
    segment.write_bytes(bytes(16))
    drain.run()
    drain.run()
    assert caplog.text.count("damaged ledger segment") == 1
    ledger.lost = 2
    writer.close()
    drain.run()
    assert "settled 2 requests of a dead worker" in caplog.text
