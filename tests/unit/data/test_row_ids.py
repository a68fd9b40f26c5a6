import numpy as np
import pytest

from steward.core.errors import InputError
from steward.data.row_ids import ORIGIN_MASK, augmented_row_ids, copied_row_id

ROW = (3 << 32) | 17  # line 17 of shard 3


def test_bits_48_to_51_say_which_augment_stage() -> None:
    for generation in (1, 2, 3, 4):
        [made] = augmented_row_ids(np.array([ROW]), generation).tolist()
        assert made == ROW + 2 ** (47 + generation) and made & ORIGIN_MASK == ROW
    twice = augmented_row_ids(np.array([ROW]), 2)
    with pytest.raises(InputError, match="two augment stages have generation 2"):
        augmented_row_ids(twice, 2)


def test_bits_52_to_62_say_which_copy() -> None:
    assert copied_row_id(ROW, 1) == ROW + 2**52 and copied_row_id(ROW, 2047) == ROW + 2047 * 2**52 < 2**63
    with pytest.raises(InputError, match="2048 copies of a row, at most 2047"):
        copied_row_id(ROW, 2048)
    with pytest.raises(InputError, match="only one balance stage"):
        copied_row_id(copied_row_id(ROW, 1), 1)
