"""The shape of a new model beside a known one, and how many steps a budget of operations pays for.

Models of different sizes are comparable at an equal number of operations, not of steps or rows: training takes about
6 operations a parameter and token (Kaplan et al. 2020, arXiv 2001.08361, section 2.1).
"""

from __future__ import annotations

from typing import Final

import msgspec

from steward.core.errors import InputError

OPERATIONS: Final = 6.0  # a parameter and token: two forward, four backward
TERA: Final = 1e12
BLOCK: Final = 32  # Q8_0 keeps weights in blocks of so many, so rows are multiples of it


class ModelShape(msgspec.Struct, frozen=True, kw_only=True):
    """What a decoder's configuration says of its size. `wide`: of the feed-forward part."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    wide: int


def reshape_model(base: ModelShape, layers: int | None, width: int | None, heads: int | None) -> ModelShape:
    """The base with another depth, width or number of heads; what follows from these keeps its proportions.

    :raises InputError: a width that the heads cannot share

    >>> reshape_model(ModelShape(layers=6, width=192, heads=6, kv_heads=3, wide=512), 4, 128, 4)
    ModelShape(layers=4, width=128, heads=4, kv_heads=2, wide=352)
    """
    width, heads = width or base.width, heads or base.heads
    if width % BLOCK:
        near = max(1, round(width / BLOCK)) * BLOCK
        raise InputError(f"width {width}: expected a multiple of {BLOCK}, such as {near}")
    if width % (2 * heads):
        raise InputError(f"heads {heads}: width {width} gives each {width / heads:g}; expected an even whole number")
    group = base.heads // base.kv_heads
    return ModelShape(
        layers=layers or base.layers,
        width=width,
        heads=heads,
        kv_heads=heads // group if heads % group == 0 else heads,
        wide=max(1, round(base.wide * width / base.width / BLOCK)) * BLOCK,
    )


def count_steps(budget_tflop: float, parameters: int, tokens_per_step: float) -> int:
    """Steps that a budget of 10^12 operations each pays for; at least one.

    >>> count_steps(0.5, 3_670_000, 960.0)
    24
    """
    return max(1, round(budget_tflop * TERA / (OPERATIONS * parameters * tokens_per_step)))
