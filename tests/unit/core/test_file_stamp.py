"""What changes when a file does."""

import os
from pathlib import Path

from steward.core.file_stamp import file_stamp


def test_a_file_that_is_missing_has_zeros(tmp_path: Path) -> None:
    assert file_stamp(str(tmp_path / "none")) == (0, 0)


def test_a_file_has_its_time_and_its_size(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    os.utime(path, ns=(1, 5_000_000_007))
    assert file_stamp(str(path)) == (5_000_000_007, 3)
