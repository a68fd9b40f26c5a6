"""Items of a suite that training data holds; words are cut at spaces here, so that runs can be counted by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from steward.core.errors import InputError
from steward.evaluation.overlap import OverlapReport, find_overlap, read_asked_texts
from steward.evaluation.run import EvalRun, ItemAnswer, RunManifest
from steward.evaluation.suite import PromptMessage, SuiteItem, SuiteSpec


class Hashes(NamedTuple):
    values: NDArray[np.uint64]
    offsets: NDArray[np.int64]


def pack(texts: list[list[str]]) -> Hashes:
    values = [int.from_bytes(word.encode()[-8:].rjust(8)) for words in texts for word in words]
    return Hashes(np.array(values, np.uint64), np.cumsum([0, *map(len, texts)]))


def cut_words(texts: Sequence[str]) -> Hashes:
    return pack([text.split() for text in texts])


def cut_runs(texts: Sequence[str], n: int) -> Hashes:
    """The words of a run are one letter each."""
    cut = [text.split() for text in texts]
    return pack([["".join(words[at : at + n]) for at in range(len(words) - n + 1)] for words in cut])


def find(texts: dict[str, list[str]], train: list[list[str]], run: EvalRun | None = None) -> OverlapReport:
    return find_overlap(texts, train, cut_runs, cut_words, run, ngram=4, shortest=2)


def test_the_share_is_of_the_runs_of_the_text_that_overlaps_most() -> None:
    """Six words hold three runs of four, of which the training data has one; the reference is another text."""
    texts = {"half": ["a b c d e f", "x y"], "clean": ["g h i j k l"]}
    found = find(texts, [["p q r s"], ["o a b c d o"]])
    assert [(item.id, item.share) for item in found.overlapping] == [("half", pytest.approx(1 / 3))]
    assert (found.items, found.too_short, found.share, found.ngram, found.shortest) == (2, 0, 0.5, 4, 2)


def test_a_text_of_fewer_words_is_looked_for_whole_unless_it_is_too_short() -> None:
    texts = {"whole": ["a b"], "in part": ["c d e"], "one word": ["f"], "nothing": []}
    found = find(texts, [["z a b z c d z f"]])
    assert [item.id for item in found.overlapping] == ["whole"]
    assert (found.items, found.too_short, found.share) == (4, 2, 0.5)


def test_the_items_that_overlap_most_come_first() -> None:
    texts = {"third": ["a b c d e f"], "all": ["g h i j"], "half": ["k l m n o"]}
    found = find(texts, [["a b c d", "g h i j", "k l m n"]])
    assert [(item.id, round(item.share, 3)) for item in found.overlapping] == [
        ("all", 1),
        ("half", 0.5),
        ("third", 0.333),
    ]


def test_of_items_without_a_text_there_is_no_share() -> None:
    found = find({"short": ["a"]}, [["a"]])
    assert (found.too_short, found.share, found.low, found.high, found.overlapping, found.gaps) == (
        1,
        None,
        None,
        None,
        (),
        (),
    )


def make_run(items: dict[str, ItemAnswer], repeats: int = 1) -> EvalRun:
    """The right answer is always "yes"."""
    suite = SuiteSpec(name="s", data="d.jsonl", metrics=("exact_match", "latency"), prompt="{q}", repeats=repeats)
    manifest = RunManifest(suite=suite, model="m", items=len(items), data_sha256="d", prompts_sha256="p")
    asked = tuple(SuiteItem(name, (PromptMessage("user", "q"),), ("yes",), {}, name) for name in items)
    return EvalRun(manifest, asked, items)


def answer(name: str, text: str, latency_s: float) -> ItemAnswer:
    return ItemAnswer(id=name, prediction=text, latency_s=latency_s)


SEEN = {"s1": ["a b c d"], "s2": ["e f g h"]}
CLEAN = {"c1": ["i j"], "c2": ["k l"], "c3": ["m n"]}


def test_a_gap_above_zero_is_better_on_what_may_be_remembered() -> None:
    """Of two, both right: Clopper and Pearson's interval ends at 0.025^(1/2); of three none: at 1 - 0.025^(1/3).

    Seconds count the other way: 2 ± 12.706 · 1 (Student's t, one degree) against 4.2 ± 4.3027 · 0.11547 (two degrees).
    """
    run = make_run(
        {
            "s1": answer("s1", "yes", 1.0), "s2": answer("s2", "yes", 3.0),
            "c1": answer("c1", "no", 4.0), "c2": answer("c2", "no", 4.2), "c3": answer("c3", "no", 4.4),
        }
    )  # fmt: skip
    right, seconds = find({**SEEN, **CLEAN}, [["a b c d e f g h"]], run).gaps
    assert (right.metric, right.overlapping, right.clean, right.gap) == ("exact_match", 1.0, 0.0, 1.0)
    assert right.low == pytest.approx(1 - ((1 - 0.025 ** (1 / 2)) ** 2 + (1 - 0.025 ** (1 / 3)) ** 2) ** 0.5)
    assert right.high == 1.0 and (right.n_overlapping, right.n_clean) == (2, 3)
    assert (seconds.metric, seconds.overlapping, seconds.clean) == ("latency", 2.0, pytest.approx(4.2))
    assert seconds.gap == pytest.approx(2.2)
    assert seconds.low is not None and seconds.high is not None and seconds.low < 2.2 < seconds.high


def test_one_item_of_a_kind_has_a_gap_without_ends_and_none_has_no_gap() -> None:
    run = make_run({"s1": answer("s1", "yes", 1.0), "c1": answer("c1", "no", 4.0), "c2": answer("c2", "no", 5.0)})
    texts = {name: {**SEEN, **CLEAN}[name] for name in ("s1", "c1", "c2")}
    seconds = find(texts, [["a b c d"]], run).gaps[1]
    assert (seconds.gap, seconds.low, seconds.high) == (3.5, None, None)
    for train, overlapping, clean in (
        ([[""]], None, pytest.approx(10 / 3)),
        ([["a b c d i j k l"]], pytest.approx(10 / 3), None),
    ):
        seconds = find(texts, train, run).gaps[1]
        assert (seconds.overlapping, seconds.clean, seconds.gap) == (overlapping, clean, None)


def test_repeats_of_an_item_belong_to_it() -> None:
    run = make_run({name: answer(name, "yes", 1.0) for name in ("s1#1", "s1#2", "c1#1", "c1#2")}, repeats=2)
    found = find({"s1": SEEN["s1"], "c1": CLEAN["c1"]}, [["a b c d"]], run)
    assert [(gap.n_overlapping, gap.n_clean) for gap in found.gaps] == [(2, 2), (2, 2)]
    once = make_run({"s#1": answer("s#1", "yes", 1.0)})
    assert find({"s#1": ["a b c d"]}, [["a b c d"]], once).gaps[0].n_overlapping == 1


def test_a_run_over_other_items_is_refused() -> None:
    run = make_run({name: answer(name, "yes", 1.0) for name in ("s1", "other")})
    with pytest.raises(InputError, match="item 'other', which is not in the suite"):
        find(SEEN, [["a b c d"]], run)


def test_what_is_asked_and_the_references_are_looked_for(tmp_path: Path) -> None:
    rows = [
        {"id": "1", "question": "Which sea?", "answers": ["the Baltic", "the North Sea"], "note": "not asked"},
        {"id": "2", "question": "How deep?", "answers": "459 m", "note": "not asked"},
    ]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    suite = tmp_path / "suite.yaml"
    suite.write_text(
        "name: s\ndata: d.jsonl\nprompt: 'Please answer. {question}'\nreferences: answers\nmetrics: [exact_match]\n"
    )
    asked = {"1": ["Which sea?", "the Baltic", "the North Sea"], "2": ["How deep?", "459 m"]}
    assert read_asked_texts(suite) == asked
    assert read_asked_texts(suite, limit=1) == {"1": asked["1"]}
