import pytest

from data_batches import batch
from steward.data.stages.quality import Quality

PROSE = (
    "The committee met on Tuesday to talk about the new library, and most of its members liked the plan. Some of them "
    "asked who would pay for it. The mayor answered that half of the money had been set aside in May, with the rest to "
    "come from a fund that few people have heard of. Nobody was sure whether that would be enough for a roof."
)


def rule(preset, text, **limits):
    entries = [e for e in Quality(preset=preset, limits=limits).apply(batch(text)).entries if e.action == "drop"]
    return entries[0].rule if entries else None


def test_the_two_c4s_disagree_as_published():
    page = "Too few words.\nThis line has enough words, I think.\nHere is one more of them. And another one!"
    reference = Quality(preset="c4@tfds").apply(batch(page))
    assert reference.batch["text"].to_pylist() == [page.split("\n", 1)[1]]
    assert [e.action for e in reference.entries] == ["change"]
    assert rule("c4@datatrove", page) == "too_few_sentences"


EN_TEXT = """This line has enough words and ends in punctuation, Dr. Roberts!
Economic History | All Institutions | Open Access Articles | Digital Commons Network
"Open Access. Powered by Scholars. Published by Universities."
Digital Commons Network™/ Social and Behavioral Sciences...
You need to enable javascript in your browser in order to see this page.
Adam Roberts has a cookie policy: always eat them.
You'd better follow our terms of use!"""


def test_c4_cleans_a_page_as_the_reference_code():  # the page of tensorflow_datasets' c4_utils_test.py, abridged
    lines = EN_TEXT.splitlines()
    assert Quality(preset="c4@tfds").apply(batch(EN_TEXT)).batch["text"].to_pylist() == [f"{lines[0]}\n{lines[2]}"]


@pytest.mark.parametrize(
    ("reason", "line"),
    [("curly_bracket", "fn foo(a) { bar = a + 10; }."), ("lorem_ipsum", "Lorem ipsum dolor sit amet.")],
)
def test_c4_drops_pages_with_code_or_filler(reason, line):
    assert rule("c4@tfds", f"{PROSE}\n{line}") == reason


LINE = "These are five good words."


@pytest.mark.parametrize(("sentences", "dropped"), [(4, "too_few_sentences"), (5, None), (6, None)])
def test_five_sentences_are_enough_for_datatrove(sentences, dropped):
    assert rule("c4@datatrove", "\n".join([LINE] * sentences)) == dropped
    assert rule("c4@datatrove", " ".join([LINE] * sentences)) == dropped


@pytest.mark.parametrize(("preset", "words"), [("c4@datatrove", 3), ("c4@tfds", 5)])
def test_a_line_of_the_least_words_stays(preset, words):
    page = "\n".join([LINE] * 5)
    short, enough = ("".join(f"w{n} " for n in range(count)).strip() + "." for count in (words - 1, words))
    left = Quality(preset=preset).apply(batch(f"{short}\n{enough}\n{page}")).batch["text"].to_pylist()
    assert left == [f"{enough}\n{page}"]


def test_a_word_of_a_thousand_letters_stays_and_a_longer_one_takes_its_line():
    page = "\n".join([LINE] * 5)
    lines = ["a b " + "x" * 999 + ".", "a b " + "y" * 1000 + "."]  # the full stop is a character of the word
    left = Quality(preset="c4@datatrove").apply(batch("\n".join([*lines, page]))).batch["text"].to_pylist()
    assert left == [f"{lines[0]}\n{page}"]


CITED = "This line is well cited[12] here[citation needed]."


@pytest.mark.parametrize("preset", ["c4@datatrove", "c4@tfds"])
def test_citations_go_and_other_brackets_stay(preset):
    page = "\n".join([LINE] * 5)
    left = Quality(preset=preset).apply(batch(f"{CITED}\nThis line [not that one] stays as it is.\n{page}")).batch
    assert left["text"].to_pylist() == [
        f"This line is well cited here.\nThis line [not that one] stays as it is.\n{page}"
    ]


@pytest.mark.parametrize("preset", ["c4@datatrove", "c4@tfds"])
def test_a_rule_counts_where_its_word_stands(preset):
    page = "\n".join([LINE] * 5)
    assert rule(preset, f"{page}\nlorem ipsum without an end\n{LINE}") is None  # that line goes by itself
    assert rule(preset, f"{page}\n{{ without an end\n{LINE}") is None
    assert rule(preset, f"{page}\nThis line has a {{ brace in it.") == "curly_bracket"
    assert rule(preset, f"{page}\nThis line says Lorem Ipsum to you.") == "lorem_ipsum"


def test_the_number_of_sentences_is_told():
    [entry] = Quality(preset="c4@datatrove").apply(batch(" ".join([LINE] * 3) + "\n" + LINE)).entries
    assert (entry.rule, entry.value, entry.threshold) == ("too_few_sentences", 4.0, 5)
