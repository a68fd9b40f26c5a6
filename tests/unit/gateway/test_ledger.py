from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steward.core.errors import Contradiction
from steward.core.records import Admitted
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


def test_segments_rotate_and_hold_everything(tmp_path: Path) -> None:
    writer = LedgerWriter(tmp_path, "w", segment_bytes=200)
    for number in range(10):
        writer.append(admitted(number))
    writer.sync()
    writer.close()
    segments = sorted(tmp_path.glob("*.seg"))
    records = [record for path in segments for record in decode_frames(path.read_bytes())[0]]
    assert len(segments) > 1 and [record.request_id for record in records] == [f"r{n}" for n in range(10)]
