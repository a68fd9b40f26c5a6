import fcntl
import os
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steward.core.errors import Contradiction
from steward.core.records import Admitted, Settled
from steward.gateway.ledger import LedgerWriter, decode_frames, encode_frame


def admitted(number: int) -> Admitted:
    return Admitted(
        request_id=f"r{number}", at=1.0, key_id="k", project="p", endpoint="/v1/x", route="m", streamed=False
    )


@given(st.integers(0, 400))
def test_a_torn_tail_waits(cut: int) -> None:
    frames = [encode_frame(admitted(number)) for number in range(3)]
    whole = b"".join(frames)
    records, used = decode_frames(whole[:cut])
    assert used <= cut and len(records) == sum(len(b"".join(frames[: n + 1])) <= cut for n in range(3))


def test_a_wrong_checksum_is_a_contradiction() -> None:
    frame = bytearray(encode_frame(admitted(1)))
    frame[-1] ^= 1
    with pytest.raises(Contradiction, match="checksum"):
        decode_frames(bytes(frame))
    whole = encode_frame(admitted(0))
    assert decode_frames(whole + bytes(frame)) == ([admitted(0)], len(whole))


def test_the_zeros_of_a_power_cut_are_no_record() -> None:
    for count in (4096, 8):  # 8 bytes are a head: a length and a checksum
        with pytest.raises(Contradiction, match="empty"):
            decode_frames(bytes(count))
    assert decode_frames(bytes(7)) == ([], 0)


def test_a_segment_takes_what_fits_exactly_and_rotates_before_the_next(tmp_path: Path) -> None:
    size = len(encode_frame(admitted(0)))
    writer = LedgerWriter(tmp_path, "w", segment_bytes=2 * size)
    for number in range(3):
        writer.append(admitted(number))
    writer.sync()
    writer.close()
    sizes = sorted((path.stat().st_size for path in tmp_path.glob("*.seg")), reverse=True)
    assert sizes == [2 * size, size]


def test_segments_rotate_and_hold_everything(tmp_path: Path) -> None:
    writer = LedgerWriter(tmp_path, "w", segment_bytes=200)
    for number in range(10):
        writer.append(admitted(number))
    writer.sync()
    writer.close()
    segments = sorted(tmp_path.glob("*.seg"))
    records = [record for path in segments for record in decode_frames(path.read_bytes())[0]]
    assert len(segments) > 1 and [getattr(record, "request_id", None) for record in records] == [
        f"r{n}" for n in range(10)
    ]


def settled(number: int) -> Settled:
    return Settled(request_id=f"r{number}", at=1.0, outcome="ok", status=200, model="m")


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Files of this process end at `size` bytes: a write beyond is cut short, the next one fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_no_half_frame_and_owes_no_settlement(tmp_path: Path) -> None:
    writer = LedgerWriter(tmp_path, "w")
    writer.append(admitted(1))
    with room_for(len(encode_frame(admitted(1))) + 10):
        with pytest.raises(OSError, match="File too large"):
            writer.append(admitted(2))
        writer.append(settled(1))
        with pytest.raises(OSError, match="File too large"):
            writer.write_owed()
    writer.append(admitted(3))
    writer.close()
    records, used = decode_frames((tmp_path / "w-000000.seg").read_bytes())
    assert records == [admitted(1), settled(1), admitted(3)] and used == (tmp_path / "w-000000.seg").stat().st_size


def test_a_closed_writer_writes_into_no_other_file(tmp_path: Path) -> None:
    writer = LedgerWriter(tmp_path, "w")
    writer.close()
    with (tmp_path / "other").open("wb"), pytest.raises(OSError, match="Bad file descriptor"):
        writer.append(admitted(1))
    assert (tmp_path / "other").read_bytes() == b""


def test_a_lock_that_the_keeper_removed_is_taken_anew(tmp_path: Path) -> None:
    path = tmp_path / "w.lock"
    keeper = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(keeper, fcntl.LOCK_EX)
    writers: list[LedgerWriter] = []
    thread = threading.Thread(target=lambda: writers.append(LedgerWriter(tmp_path, "w")))
    thread.start()  # it waits for the keeper, which saw a lock that nobody held
    time.sleep(0.2)
    path.unlink()
    os.close(keeper)
    thread.join()
    other = os.open(path, os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)
    writers[0].close()


def test_a_record_at_the_very_end_of_a_file_is_read() -> None:
    frame = encode_frame(admitted(0))
    assert decode_frames(frame) == ([admitted(0)], len(frame))
    assert decode_frames(frame[:8]) == ([], 0)


def test_ledger_files_are_their_owners_and_number_up_from_0(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        writer = LedgerWriter(tmp_path / "new", "w", segment_bytes=1)
        for number in range(2):
            writer.append(admitted(number))
        writer.close()
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    segments = sorted((tmp_path / "new").glob("*.seg"))
    assert [path.name for path in segments] == ["w-000000.seg", "w-000001.seg"]
    assert {path.stat().st_mode & 0o777 for path in segments} == {0o600}


def test_a_segment_has_64_mib_unless_told_otherwise(tmp_path: Path) -> None:
    writer = LedgerWriter(tmp_path, "w")
    assert writer._segment_bytes == 67_108_864
    writer.close()
