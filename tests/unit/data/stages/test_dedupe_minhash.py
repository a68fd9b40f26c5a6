import random
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_stages import batch, cut, ran
from steward.core.errors import Contradiction, InputError
from steward.data.shingles import distinct_hashes, hash_ngrams, hash_words
from steward.data.stages.dedupe_minhash import (
    DedupeMinhash,
    _compute_signatures,
    choose_bands_and_rows,
    find_formal,
)

VOCABULARY = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in "bdfgklmnprst"]


def shingled(text: str, n: int = 5) -> set[tuple[str, ...]]:
    tokens = text.split()
    return {tuple(tokens[i : i + n]) for i in range(max(len(tokens) - n + 1, min(len(tokens), 1)))}


def jaccard(one: str, other: str) -> float:
    a, b = shingled(one), shingled(other)
    return len(a & b) / len(a | b) if a | b else 0.0


def pairs(similarity: float, count: int, seed: int, length: int = 400) -> list[tuple[str, str]]:
    """Texts whose 5-grams have about this Jaccard similarity: the same middle, different ends."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        shared = rng.choices(VOCABULARY, k=length)
        own = round(length * (1 - similarity) / (2 * similarity))
        made.append(
            (" ".join(shared + rng.choices(VOCABULARY, k=own)), " ".join(shared + rng.choices(VOCABULARY, k=own)))
        )
    return made


@pytest.mark.parametrize(("similarity", "theory"), [(0.75, 0.772), (0.8, 0.924), (0.85, 0.988)])
def test_as_many_pairs_become_candidates_as_the_theory_says(similarity: float, theory: float) -> None:
    """1 - (1 - s^8)^14 (Leskovec, Rajaraman and Ullman, 3.4.2), for the measured s of each of 600 pairs."""
    made = pairs(similarity, 600, seed=int(similarity * 100))
    survey = DedupeMinhash().survey(batch([text for pair in made for text in pair]))
    keys = survey["bands"].flatten().to_numpy().reshape(-1, 2, 14)
    found = (keys[:, 0] == keys[:, 1]).any(axis=1).mean()
    expected = np.mean([1 - (1 - jaccard(*pair) ** 8) ** 14 for pair in made])
    assert expected == pytest.approx(theory, abs=0.02)
    assert found == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / len(made)))


@pytest.mark.parametrize("length", [8, 40, 150, 600, 2000])
def test_signatures_estimate_the_similarity_without_bias(length: int) -> None:
    """Standard error of one pair: sqrt(s (1 - s) / 112) (Broder 1997), of the mean of 300 a 17th of that; with buckets,
    which are not independent, at most that (Dahlgaard, Knudsen and Thorup 2017, section 1)."""
    made = pairs(0.6, 300, seed=1, length=length)
    signatures = _compute_signatures(
        *distinct_hashes(hash_ngrams(hash_words([text for pair in made for text in pair]), 5)), 112
    )
    errors = (signatures[::2] == signatures[1::2]).mean(axis=1) - [jaccard(*pair) for pair in made]
    assert errors.mean() == pytest.approx(0, abs=4 * np.sqrt(0.6 * 0.4 / 112 / 300))
    assert np.sqrt(0.6 * 0.4 / 112) * 0.5 < errors.std() < np.sqrt(0.6 * 0.4 / 112) * 1.1


def test_surveys_that_can_be_read_only_once_are_refused() -> None:
    """The n-grams of candidates are read the second time: without them all would be alike."""
    text = " ".join(VOCABULARY[:50])
    stage = DedupeMinhash()
    surveys = [stage.survey(batch([text, text]))]
    assert stage.decide(surveys).num_rows == 1
    with pytest.raises(Contradiction, match="2 rows when they were first read and 0 the second time"):
        stage.decide(iter(surveys))


def test_a_text_without_ngrams_between_others_has_an_empty_signature() -> None:
    texts = ["", "one", " ".join(VOCABULARY), "", " ".join(VOCABULARY[:900]), ""]
    survey = DedupeMinhash().survey(batch(texts))
    keys = survey["bands"].flatten().to_numpy().reshape(-1, 14)
    alone = [DedupeMinhash().survey(batch([text]))["bands"].flatten().to_numpy() for text in texts]
    assert keys.tolist() == [of.tolist() for of in alone]


def test_whatever_is_merged_is_as_similar_as_the_ledger_says_and_what_stays_is_missed_rarely() -> None:
    rng = random.Random(4)
    texts = [
        text for s in (0.6, 0.7, 0.79, 0.82, 0.9, 1.0) for pair in pairs(s, 35, int(s * 100), 100) for text in pair
    ]
    rng.shuffle(texts)
    out, entries = ran(DedupeMinhash(), cut(batch(texts), 64))
    assert len(entries) > 90
    for entry in entries:
        truth = jaccard(texts[entry.row], texts[int(str(entry.duplicate_of)[1:])])
        assert truth >= 0.8 and entry.value == pytest.approx(truth)
    stay = [shingled(text) for text in out["text"].to_pylist()]
    missed = sum(len(a & b) >= 0.8 * len(a | b) for a, b in combinations(stay, 2))
    assert missed <= 0.08 * (missed + len(entries))  # .924 at s = .80, more above


def test_a_chain_is_not_pulled_into_one() -> None:
    """Windows over one text: each is like the next, the ends are not alike."""
    tokens = random.Random(2).choices(VOCABULARY, k=600)
    texts = [" ".join(tokens[start : start + 300]) for start in range(0, 300, 25)]
    _, entries = ran(DedupeMinhash(), [batch(texts)])
    assert len(entries) >= 4
    assert all(jaccard(texts[entry.row], texts[int(str(entry.duplicate_of)[1:])]) >= 0.8 for entry in entries)
    assert jaccard(texts[0], texts[-1]) < 0.1


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.integers(1, 7), st.sampled_from(["first", "longest"]))
def test_any_cut_into_batches_gives_the_same_answer(picks: list[int], size: int, keep: str) -> None:
    base = pairs(0.85, 3, seed=9, length=60)
    texts = [base[pick // 2][pick % 2] for pick in picks]
    stage = DedupeMinhash(keep=keep)  # type: ignore[arg-type]
    assert ran(stage, cut(batch(texts), size))[1] == ran(stage, [batch(texts)])[1]


def test_the_longest_stays_where_asked() -> None:
    text = " ".join(random.Random(3).choices(VOCABULARY, k=100))
    out, entries = ran(DedupeMinhash(keep="longest"), [batch([text, text + " more words here", text])])
    assert out["id"].to_pylist() == ["r1"] and {entry.duplicate_of for entry in entries} == {"r1"}


def test_empty_and_short_texts() -> None:
    out, entries = ran(DedupeMinhash(), [batch(["", "", "one two", "One, two!", "one three"])])
    assert out["id"].to_pylist() == ["r0", "r1", "r2", "r4"]  # without words there is nothing to compare
    assert [(entry.rule, entry.value, entry.threshold) for entry in entries] == [("near_duplicate", 1.0, 0.8)]
    assert len(ran(DedupeMinhash(), [batch([])])[0]) == 0


@pytest.mark.parametrize(("recall", "similarity"), [(0.5, 0.8), (0.92, 0.8), (0.99, 0.8), (0.999, 0.7), (0.9999, 0.5)])
def test_a_target_recall_chooses_bands_and_rows_that_reach_it(recall: float, similarity: float) -> None:
    """By 1 - (1 - s^rows)^bands (Leskovec, Rajaraman and Ullman, 3.4.2); one row more would not."""
    stage = DedupeMinhash(recall=recall, verify=similarity)
    assert 1 - (1 - similarity**stage.rows) ** stage.bands >= recall
    more = stage.rows + 1
    assert 1 - (1 - similarity**more) ** (128 // more) < recall


def test_a_target_recall_is_measured() -> None:
    made = pairs(0.8, 400, seed=5)
    stage = DedupeMinhash(recall=0.99)
    bands = stage.survey(batch([text for pair in made for text in pair]))["bands"]
    keys = bands.flatten().to_numpy().reshape(-1, 2, stage.bands)
    assert (keys[:, 0] == keys[:, 1]).any(axis=1).mean() > 0.99 - 4 * np.sqrt(0.99 * 0.01 / 400)
    assert choose_bands_and_rows(0.99, 0.8) == (stage.bands, stage.rows) == (16, 6)


@pytest.mark.parametrize(
    ("recall", "similarity", "chosen"),
    [  # bands = ln(1 - recall) / ln(1 - similarity^rows), rounded up
        (0.95, 0.8, (13, 7)),  # 12.7 of seven rows are 91 permutations, 16.3 of eight 136
        (0.95, 0.3, (32, 2)),  # 31.8 of two are 64, 109.4 of three 330
        (0.95, 0.05, (59, 1)),  # 58.4 of one
        (0.95, 0.01, (256, 1)),  # 298.1 are more than there may be
        (0.9, 1.0, (1, 32)),  # the same texts always agree
    ],
)
def test_as_many_rows_a_band_as_the_recall_lets(recall: float, similarity: float, chosen: tuple[int, int]) -> None:
    assert choose_bands_and_rows(recall, similarity) == chosen


def test_one_permutation_is_one_band_of_one_row() -> None:
    assert choose_bands_and_rows(0.9, 1.0, permutations=1) == (1, 1)


def test_recall_beside_bands_is_refused() -> None:
    with pytest.raises(InputError, match="16 bands and 6 rows, but 20 and 5 are given"):
        DedupeMinhash(recall=0.99, bands=20, rows=5)


def test_a_later_run_drops_what_an_earlier_one_kept(tmp_path) -> None:
    """And the same run again, cut in another way, gives the same answer and adds nothing."""
    base = pairs(0.9, 6, seed=11, length=120)
    stage = DedupeMinhash(index=str(tmp_path / "seen"))
    first, none = ran(stage, cut(batch([one for one, _ in base[:4]]), 3))
    assert len(first) == 4 and not none
    later = batch([*(other for _, other in base[:2]), base[5][0]], first=100)
    out, entries = ran(stage, [later])
    assert out["id"].to_pylist() == ["r102"]
    assert [(entry.id, entry.duplicate_of) for entry in entries] == [("r100", "r0"), ("r101", "r1")]
    assert ran(stage, cut(later, 2))[1] == entries
    assert ran(stage, [batch([one for one, _ in base[:4]])])[1] == []  # the first run again: nothing was before it
    assert [path.name[:6] for path in sorted((tmp_path / "seen").iterdir())] == ["00001-", "00002-"]
    _, third = ran(stage, [batch([base[5][1], base[4][1]], first=200)])
    assert [(entry.id, entry.duplicate_of) for entry in third] == [("r200", "r102")]


def test_an_index_of_other_parameters_or_a_broken_one_is_refused(tmp_path) -> None:
    rows = [batch(["one two three four five six seven"])]
    ran(DedupeMinhash(index=str(tmp_path)), rows)
    with pytest.raises(InputError, match="made with ngram 5, bands 14, rows 8, numbers auto, words 4, this stage has "):
        ran(DedupeMinhash(index=str(tmp_path), ngram=3), rows)
    with pytest.raises(InputError, match="this stage has ngram 5, bands 14, rows 8, numbers fold"):
        ran(DedupeMinhash(index=str(tmp_path), numbers="fold"), [batch(["other words"], first=9)])
    next(tmp_path.iterdir()).write_bytes(b"broken")
    with pytest.raises(InputError, match="cannot be read"):
        ran(DedupeMinhash(index=str(tmp_path)), [batch(["other words"], first=9)])


def test_an_index_of_an_earlier_version_is_refused(tmp_path) -> None:
    """Its hashes took every number for the same: rows of both ways would be compared and never found alike."""
    path = tmp_path / "00001-0123456789abcdef.arrow"
    survey = DedupeMinhash().survey(batch(["one two three four five six seven"]))
    old = survey.schema.with_metadata({"minhash": "ngram 5, bands 14, rows 8"})
    with pa.ipc.new_file(str(path), old) as writer:
        writer.write_batch(survey.replace_schema_metadata(old.metadata))
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"by an earlier version of steward, .* name another index"):
        ran(DedupeMinhash(index=str(tmp_path)), [batch(["other words"], first=9)])
    assert [(item, item.read_bytes()) for item in tmp_path.iterdir()] == [(path, before)]


def test_maths_and_code_are_told_by_a_tenth_of_formal_characters() -> None:
    texts = ["1aaaaaaaaa", "1aaaaaaaaaa", "12 plus 7 is 19", "In 2019 we met.", "", "x = y;", "\t{ }\n", "七加一 7"]
    assert find_formal(texts).tolist() == [True, False, True, True, False, True, True, True]
    assert find_formal([]).tolist() == []
    plan = "The release {} came after the release {} as they had said in the plan of last year"
    numbers = [("12", "34"), ("v12", "w34"), ("12th", "34th")]  # a letter before or after: no number
    assert find_formal([plan.format(*pair) for pair in numbers]).tolist() == [True, False, False]
    assert find_formal(["a" * 512 + "1" * 512]).tolist() == [False]  # the first 512 characters decide


def test_a_survey_of_a_megabyte_says_what_surveys_of_each_document_say() -> None:
    texts = batch([f"{name} " + " ".join(VOCABULARY[:600]) * 100 for name in ("one", "two", "three", "four", "five")])
    assert texts["text"].nbytes > 1_000_000
    each = [DedupeMinhash().survey(texts.slice(row, 1)) for row in range(5)]
    assert pa.Table.from_batches([DedupeMinhash().survey(texts)]).equals(pa.Table.from_batches(each))
    assert DedupeMinhash().survey(texts.slice(0, 0)).num_rows == 0


def merged(stage: DedupeMinhash, *texts: str) -> list[str]:
    return [entry.id for entry in ran(stage, [batch(texts)])[1]]


def test_d19_numbers_and_operators_count_in_mathematics_and_code() -> None:
    assert merged(DedupeMinhash(ngram=2), "What is 12 plus 7? It is 19.", "What is 99 plus 3? It is 102.") == []
    assert merged(DedupeMinhash(ngram=2), "a = b + 1; c = a * 2", "a = b - 1; c = a * 2") == []
    assert merged(DedupeMinhash(ngram=2), "a = b + 1; c = a * 2", "a = b + 1; c = a * 2") == ["r1"]
    prose = "On the {}th of May the committee met to talk about the plan of the new library and its old roof."
    assert merged(DedupeMinhash(), prose.format(12), prose.format(17)) == []  # "12th" is a word
    prose = prose.replace("{}th", "{}")
    assert merged(DedupeMinhash(), prose.format(12), prose.format(17)) == ["r1"]
    assert merged(DedupeMinhash(numbers="keep", verify=0.99), prose.format(12), prose.format(17)) == []
    assert merged(DedupeMinhash(ngram=2, numbers="fold"), "What is 12 plus 7?", "What is 99 plus 3?") == ["r1"]


def test_d19_a_short_text_with_many_numbers_is_mathematics() -> None:
    question = "What is {} plus {}? Please answer with a single number and explain how you found it."
    assert merged(DedupeMinhash(), question.format(12, 7), question.format(99, 3)) == []
    assert merged(DedupeMinhash(), question.format(12, 7), question.format(12, 7)) == ["r1"]
    assert find_formal(["one 1 " + "word " * 9, "two 1 2 " + "word " * 17, "two 1 2 " + "word " * 18]).tolist() == [
        False, True, False,
    ]  # fmt: skip


def test_d19_words_with_digits_are_words_of_their_own() -> None:
    texts = [" ".join(f"w{(n * 37 + k * 101) % 9973}" for k in range(30)) for n in range(200)]
    assert merged(DedupeMinhash(numbers="fold"), *texts) == []


def test_the_same_words_about_another_image_are_no_duplicate() -> None:
    words = "What does this picture show, and who might have painted it in which century?"
    kind = pa.list_(pa.struct([(name, pa.large_string()) for name in ("role", "content", "more")]))
    images = ["a", "b", "a"]
    more = [
        f'{{"content_parts":[{{"type":"text","length":76}},{{"type":"image_url","image_url":"{x}"}}]}}' for x in images
    ]
    chats = [[{"role": "user", "content": words, "more": extra}] for extra in more]
    rows = pa.record_batch({"row": [0, 1, 2], "id": ["r0", "r1", "r2"], "messages": pa.array(chats, kind)})
    _, entries = ran(DedupeMinhash(), [rows])
    assert [(entry.id, entry.duplicate_of) for entry in entries] == [("r2", "r0")]
