import json
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steward.data.stages.quality import Quality

PROSE = (
    "The committee met on Tuesday to talk about the new library, and most of its members liked the plan. Some of them "
    "asked who would pay for it. The mayor answered that half of the money had been set aside in May, with the rest to "
    "come from a fund that few people have heard of. Nobody was sure whether that would be enough for a roof."
)


def batch(*texts):
    rows = list(range(len(texts)))
    return pa.record_batch({"row": rows, "id": [f"d{row}" for row in rows], "text": pa.array(texts, pa.large_string())})


def rule(preset, text, **limits):
    entries = [e for e in Quality(preset=preset, limits=limits).apply(batch(text)).entries if e.action == "drop"]
    return entries[0].rule if entries else None


# Reasons by datatrove 0.10.0 for the same texts.
GOPHER = {
    "dup_para_frac": "\n\n".join(["The same."] * 3 + [PROSE]),
    "dup_line_char_frac": "\n".join([PROSE, PROSE[:150], PROSE, "And so on."]),
    "top_2_gram": "buy pills " * 30,
    "duplicated_5_n_grams": PROSE + " " + PROSE[:120],
    "gopher_short_doc": PROSE[:190],
    "gopher_above_avg_threshold": " ".join(f"internationalisation{i}" for i in range(60)),
    "gopher_too_many_hashes": PROSE.replace("a", "#"),
    "gopher_too_many_end_ellipsis": PROSE.replace(". ", "...\n"),
    "gopher_below_alpha_threshold": PROSE + " ".join(f"{i * 7919}" for i in range(40)),
    "gopher_enough_stop_words": " ".join(f"{a}{b}anto" for a in "bcdfgh" for b in "aeiouyklmn"),
    None: PROSE,
}


@pytest.mark.parametrize("reason", GOPHER)
def test_gopher_gives_datatroves_reason(reason):
    assert rule("gopher@datatrove", GOPHER[reason]) == reason


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("line_punct_ratio", "No end here\nnor over in this line of text\nor in this"),
        ("short_line_ratio", "Short.\nAlso short.\nToo.\n" + PROSE),
        ("char_dup_ratio", f"{PROSE}\nThis line is there more than once, is it not?\n" * 2),
        (
            "list_ratio",
            "Antidisestablishmentarianism-or-so_it_seems.\n\nPseudopseudohypoparathyroidism_x.\n\n\n",
        ),
        ("empty", " \n "),
        (None, PROSE),
    ],
)
def test_fineweb_gives_datatroves_reason(reason, text):
    assert rule("fineweb@datatrove", text) == reason


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


def test_an_entry_tells_value_and_threshold_and_nothing_of_the_text():
    (entry,) = Quality(preset="gopher@datatrove").apply(batch(PROSE[:190])).entries
    assert (entry.id, entry.rule, entry.value, entry.threshold) == ("d0", "gopher_short_doc", 38, 50)
    assert rule("gopher@datatrove", PROSE[:190], gopher_short_doc=30) is None


def test_presets_in_a_row_decide_as_one_after_another():
    texts = [*(text for text in GOPHER.values()), "", PROSE + "\nNo end mark", "{" + PROSE, EN_TEXT]
    presets = ("gopher@datatrove", "c4@datatrove", "fineweb@datatrove")
    at_once = Quality(preset=presets).apply(batch(*texts))
    left = batch(*texts)
    dropped: list[Any] = []
    for preset in presets:
        result = Quality(preset=preset).apply(left)
        left, dropped = result.batch, [*dropped, *(e for e in result.entries if e.action == "drop")]
    assert at_once.batch.equals(left)
    assert sorted(e.id for e in dropped) == sorted(e.id for e in at_once.entries if e.action == "drop")


def test_the_paper_lets_a_phrase_that_occurs_once_stand():
    text = "Supercalifragilistic antidisestablishmentarianism of that and more."
    assert rule("gopher@datatrove", text, gopher_short_doc=1) == "top_2_gram"
    assert rule("gopher@paper", text, gopher_short_doc=1, gopher_above_avg_threshold=99) is None


def chat(*messages):
    kind = pa.list_(pa.struct([("role", pa.string()), ("content", pa.large_string())]))
    rows = [[{"role": role, "content": content} for role, content in messages]]
    return pa.record_batch({"row": [0], "id": ["c"], "messages": pa.array(rows, kind)})


@pytest.mark.parametrize(
    ("reason", "messages"),
    [
        (None, [("user", "Capital of France?"), ("assistant", "Paris.")]),
        ("empty_answer", [("user", "Capital of France?"), ("assistant", " ")]),
        ("no_answer_at_end", [("user", "Capital of France?")]),
        ("unknown_role", [("human", "Hi"), ("assistant", "Hi.")]),
        ("echo", [("user", "Say it"), ("assistant", "say it")]),
        ("refusal", [("user", "Say it"), ("assistant", "I'm sorry, but I can't.")]),
        ("template_tokens", [("user", "Say it"), ("assistant", "It.<|im_end|>")]),
        ("unanswered_question", [("user", "a"), ("user", "b"), ("assistant", "c")]),
    ],
)
def test_sft_judges_structure_not_length(reason, messages):
    entries = Quality(preset="sft").apply(chat(*messages)).entries
    assert [e.rule for e in entries] == ([reason] if reason else [])


ENGLISH = "Could you tell me how long the boat takes from the harbour to the island in the winter?"
GERMAN = "Das Schiff braucht im Winter ungefähr zwei Stunden vom Hafen bis zur Insel, bei Sturm auch etwas länger."
STORY = "The keeper of the lighthouse climbed the stairs every evening before the sun went down over the bay. " * 3


@pytest.mark.parametrize(
    ("reason", "question", "answer"),
    [
        ("language_mismatch", ENGLISH, GERMAN),
        (None, ENGLISH + " Answer in German, please.", GERMAN),
        (None, ENGLISH, "Zwei Stunden."),  # too short to tell
        ("truncated", "Tell me a story.", STORY + "At the top he lit the lamp and"),
        ("truncated", "Show me.", "```python\nprint(1)"),
        (None, "Show me.", "```python\nprint(1)\n```"),
        (None, "Tell me a story.", STORY),
        ("answer_ratio", "?", STORY * 5),
    ],
)
def test_sft_holds_an_answer_against_its_question(reason, question, answer):
    entries = Quality(preset="sft").apply(chat(("user", question), ("assistant", answer))).entries
    assert [e.rule for e in entries] == ([reason] if reason else [])
    if reason:
        assert (
            not Quality(preset="sft", limits={reason: 10_000})
            .apply(chat(("user", question), ("assistant", answer)))
            .entries
        )


def calling(arguments='{"city": "Rome"}', name="weather", answers=("c1",), tools="weather", **last):
    call = {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}
    rest = [{}, {"tool_calls": [call]}, *({"tool_call_id": answer} for answer in answers), last]
    roles = ["user", "assistant", *("tool" for _ in answers), "assistant"]
    texts = ["Rain in Rome?", None, *("yes" for _ in answers), "Yes, take an umbrella."]
    messages = [
        {"role": role, "content": text, "more": json.dumps(more)}
        for role, text, more in zip(roles, texts, rest, strict=True)
    ]
    kind = pa.list_(pa.struct([(key, pa.large_string()) for key in ("role", "content", "more")]))
    declared = json.dumps([{"type": "function", "function": {"name": tools}}])
    return pa.record_batch({"row": [0], "id": ["c"], "messages": pa.array([messages], kind), "tools": [declared]})


@pytest.mark.parametrize(
    ("reason", "row"),
    [
        (None, calling()),
        ("tool_arguments", calling(arguments='{"city": ')),
        ("tool_arguments", calling(arguments="[1]")),
        ("unknown_tool", calling(name="wether")),
        ("tool_answer_without_call", calling(answers=("c2",))),
        ("unanswered_tool_call", calling(answers=())),
        ("truncated", calling(finish_reason="length")),
    ],
)
def test_sft_checks_tool_calls(reason, row):
    entries = Quality(preset="sft").apply(row).entries
    assert [e.rule for e in entries] == ([reason] if reason else [])


def test_a_call_is_an_answer():
    row = calling()
    messages = pa.array([row["messages"][0].as_py()[:2]], row["messages"].type)
    assert not Quality(preset="sft").apply(row.set_column(2, "messages", messages)).entries


def test_answers_of_a_pair_are_of_a_kind_in_length():
    def pair(chosen):
        row = {"row": [0], "id": ["p"], "prompt": [ENGLISH], "chosen": [chosen], "rejected": ["Two hours, I think."]}
        return [entry.rule for entry in Quality(preset="sft").apply(pa.record_batch(row)).entries]

    assert pair(STORY * 5) == ["length_ratio"] and pair(STORY) == []


def test_a_pair_of_equal_answers_teaches_nothing():
    pair = pa.record_batch({"row": [0], "id": ["p"], "prompt": ["Hi?"], "chosen": ["Yes"], "rejected": ["Yes "]})
    assert [e.rule for e in Quality(preset="sft").apply(pair).entries] == ["same_answers"]


def test_the_stage_is_made_from_the_pipelines_words():
    stage = msgspec.convert({"preset": ["gopher@datatrove", "sft"], "limits": {"gopher_short_doc": 10}}, Quality)
    (entry,) = stage.apply(batch(PROSE + "<|im_end|>", PROSE[:190])).entries
    assert (entry.id, entry.rule, type(entry.value)) == ("d0", "template_tokens", float)
    with pytest.raises(msgspec.ValidationError, match="Invalid enum value"):
        msgspec.convert({"preset": "gopher"}, Quality)


def test_an_empty_batch_stays_one():
    for preset in ("gopher@datatrove", "gopher@paper", "c4@tfds", "fineweb@datatrove", "sft"):
        assert Quality(preset=preset).apply(batch("a").slice(0, 0)).batch.num_rows == 0


@given(st.lists(st.text(st.sampled_from("ab .,\n#•-…中'\"[]{"), max_size=200), max_size=6))
@settings(deadline=None, max_examples=60)
def test_any_text_is_kept_or_explained(texts):
    for preset in ("gopher@datatrove", "gopher@paper", "c4@datatrove", "c4@tfds", "fineweb@datatrove", "sft"):
        result = Quality(preset=preset, limits={"gopher_short_doc": 0}).apply(batch(*texts))
        assert result.batch.num_rows + sum(e.action == "drop" for e in result.entries) == len(texts)
