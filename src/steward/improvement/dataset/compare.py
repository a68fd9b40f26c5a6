"""Two training sets: which rows came, went and changed, and what was asked for otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from steward.improvement.dataset.manifest import DatasetManifest, DatasetMember

_EXAMPLES = 10


class ParameterChange(msgspec.Struct, frozen=True):
    """A parameter that two sets have differently; null: one of them does not have it."""

    name: str
    first: Any
    second: Any


class DatasetDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What `steward dataset diff` prints."""

    first: str
    second: str
    same: bool
    added: int
    removed: int
    changed: int  # same id, other words
    moved: int  # same id, another slice
    subjects_added: int
    subjects_removed: int
    rows: dict[str, tuple[int, int]]
    origins: dict[str, tuple[int, int]]
    parameters: tuple[ParameterChange, ...]
    examples: dict[str, tuple[str, ...]]  # ids of the first rows of each kind


def compare_datasets(
    first: DatasetManifest,
    second: DatasetManifest,
    first_members: Sequence[DatasetMember],
    second_members: Sequence[DatasetMember],
) -> DatasetDiff:
    one, other = ({member.id: member for member in members} for members in (first_members, second_members))
    both = [(one[name], other[name]) for name in one if name in other]
    kinds = {
        "added": [name for name in other if name not in one],
        "removed": [name for name in one if name not in other],
        "changed": [old.id for old, new in both if old.commitment != new.commitment],
        "moved": [old.id for old, new in both if old.split != new.split],
    }
    people = set(first.subjects), set(second.subjects)
    parameters = tuple(_compare_parameters(first.parameters, second.parameters))
    return DatasetDiff(
        first=first.digest, second=second.digest, same=not any(kinds.values()) and not parameters,
        **{kind: len(names) for kind, names in kinds.items()},
        subjects_added=len(people[1] - people[0]), subjects_removed=len(people[0] - people[1]),
        rows=_pair(first.rows, second.rows), origins=_pair(first.origins, second.origins), parameters=parameters,
        examples={kind: tuple(names[:_EXAMPLES]) for kind, names in kinds.items() if names},
    )  # fmt: skip


def _pair(one: dict[str, int], other: dict[str, int]) -> dict[str, tuple[int, int]]:
    return {name: (one.get(name, 0), other.get(name, 0)) for name in [*one, *(key for key in other if key not in one)]}


def _compare_parameters(one: Any, other: Any, prefix: str = "") -> list[ParameterChange]:
    """By dotted name; lists are compared whole."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return [] if one == other else [ParameterChange(prefix, one, other)]
    names = sorted({*one, *other})
    return [
        change
        for name in names
        for change in _compare_parameters(one.get(name), other.get(name), f"{prefix}.{name}".lstrip("."))
    ]
