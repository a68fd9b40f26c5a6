import random

import pytest

from steward.data import repeated_bytes
from steward.data.repeated_bytes import find_repeated_runs


def find_by_hand(documents: list[bytes], least: int) -> list[tuple[int, int, int]]:
    """By trying every run: what is in a later copy of a run and in no first one."""
    first: dict[bytes, tuple[int, int]] = {}
    later, kept = set(), set()
    for number, document in enumerate(documents):
        for at in range(len(document) - least + 1):
            run = document[at : at + least]
            if run in first:
                later |= {(number, at + k) for k in range(least)}
                kept |= {(first[run][0], first[run][1] + k) for k in range(least)}
            else:
                first[run] = (number, at)
    gone = later - kept
    return [
        (number, start, next(end for end in range(start, len(document) + 1) if (number, end) not in gone))
        for number, document in enumerate(documents)
        for start in range(len(document))
        if (number, start) in gone and (number, start - 1) not in gone
    ]


@pytest.mark.parametrize(("slice_bytes", "span_bytes"), [(1 << 20, 1 << 12), (16, 32), (7, 13)])
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("least", [2, 6, 9])
def test_runs_are_those_that_trying_all_finds(
    seed: int, least: int, slice_bytes: int, span_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the text is cut: windows cross slices and runs cross spans."""
    monkeypatch.setattr(repeated_bytes, "_SLICE", slice_bytes)
    monkeypatch.setattr(repeated_bytes, "_MIN_SPAN", span_bytes)
    draw = random.Random(seed)
    documents = [bytes(draw.choices(b"abc" if seed % 3 else b"ab", k=draw.randint(0, 60))) for _ in range(8)]
    assert [*find_repeated_runs(lambda: documents, least)] == find_by_hand(documents, least)


def test_nothing_and_empty_documents_have_no_runs() -> None:
    assert not [*find_repeated_runs(list, 4)] and not [*find_repeated_runs(lambda: [b"", b""], 4)]


def test_the_same_bytes_again_and_again_go_but_for_the_first() -> None:
    """A window of one letter is like all others: the first stays, and what it covers."""
    assert [*find_repeated_runs(lambda: [b"a" * 100], 10)] == [(0, 10, 100)]
    assert [*find_repeated_runs(lambda: [b"ab" * 50, b"ab" * 50], 10)] == [(0, 11, 100), (1, 0, 100)]
