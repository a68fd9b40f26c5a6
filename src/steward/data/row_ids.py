"""The numbers of rows that stages add, so that none can meet another row's.

    bits 0-47    the row of the input that it was made from
    bits 48-51   one bit for each `augment` stage it came through (its `generation`, 1 to 4)
    bits 52-62   which copy of `balance` it is (0: the row itself), up to 2,047

A row of the input sets none of the upper bits, so `row & (2**48 - 1)` of any row is where it came from.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from steward.core.errors import InputError

INPUT_BITS, COPY_BITS = 48, 52
ORIGIN_MASK = (1 << INPUT_BITS) - 1
MAX_COPIES = (1 << 11) - 1


def augmented_row_ids(rows: NDArray[np.int64], generation: int) -> NDArray[np.int64]:
    """The numbers, (rows,), of what one augment stage makes of `rows`, (rows,): at most one of each."""
    flag = 1 << (INPUT_BITS + generation - 1)
    if (rows & flag).any():
        raise InputError(f"two augment stages have generation {generation}; give each its own, 1 to 4")
    return rows | np.int64(flag)


def copied_row_id(row: int, copy: int) -> int:
    """The number of the nth copy of a row."""
    if row >> COPY_BITS:
        raise InputError(f"row {row} is a copy or beyond 2**52; only one balance stage of a pipeline may upsample")
    if copy > MAX_COPIES:
        raise InputError(f"a group would need {copy} copies of a row, at most {MAX_COPIES}; use mode: downsample")
    return row | copy << COPY_BITS
