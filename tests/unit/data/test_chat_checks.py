import json

import pyarrow as pa
import pytest

from data_batches import batch, chat
from steward.data.stages.quality import Quality


def rule(preset, text, **limits):
    entries = [e for e in Quality(preset=preset, limits=limits).apply(batch(text)).entries if e.action == "drop"]
    return entries[0].rule if entries else None


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


@pytest.mark.parametrize("answer", ["say it", "I'm sorry, but I can't."])
def test_an_echo_and_a_refusal_are_one_of_one_where_none_is_allowed(answer):
    (entry,) = Quality(preset="sft").apply(chat(("user", "Say it"), ("assistant", answer))).entries
    assert (entry.value, entry.threshold) == (1.0, 0.0)


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


@pytest.mark.parametrize(("name", "seen"), [("wether", "wether"), (None, ""), ("", "")])
def test_a_call_of_no_tool_is_named(name, seen):
    (entry,) = Quality(preset="sft").apply(calling(name=name)).entries
    assert (entry.rule, entry.value, entry.threshold) == ("unknown_tool", seen, "weather")


def test_a_call_is_an_answer():
    row = calling()
    messages = pa.array([row["messages"][0].as_py()[:2]], row["messages"].type)
    assert not Quality(preset="sft").apply(row.set_column(2, "messages", messages)).entries


def test_answers_of_a_pair_are_of_a_kind_in_length():
    def pair(chosen):
        row = {"row": [0], "id": ["p"], "prompt": [ENGLISH], "chosen": [chosen], "rejected": ["Two hours, I think."]}
        return [entry.rule for entry in Quality(preset="sft").apply(pa.record_batch(row)).entries]

    assert pair(STORY * 5) == ["length_ratio"] and pair(STORY) == []


@pytest.mark.parametrize(("longer", "goes"), [(150, False), (151, True)])
def test_an_answer_of_a_pair_may_be_as_many_times_as_long(longer, goes):
    """Three times; a short one counts as fifty characters."""
    for chosen, rejected in ((longer, 30), (30, longer)):
        row = {"row": [0], "id": ["p"], "prompt": ["Hi?"], "chosen": ["a" * chosen], "rejected": ["b" * rejected]}
        entries = Quality(preset="sft", limits={"length_ratio": 3}).apply(pa.record_batch(row)).entries
        assert ("length_ratio" in [entry.rule for entry in entries]) is goes


def test_a_pair_of_equal_answers_teaches_nothing():
    pair = pa.record_batch({"row": [0], "id": ["p"], "prompt": ["Hi?"], "chosen": ["Yes"], "rejected": ["Yes "]})
    assert [e.rule for e in Quality(preset="sft").apply(pair).entries] == ["same_answers"]


REFUSALS = """I'm sorry, but I can't.
I'm sorry, but I can't help with that request.
I am sorry, but I cannot provide instructions for that.
Sorry, I can't do that.
Sorry, but I won't write this.
I cannot assist with that.
I can't provide medical advice.
I can’t help you with this one.
I am unable to browse the internet.
I'm unable to answer that.
I'm not able to share personal data.
As an AI language model, I do not have opinions.
As an AI, I cannot have feelings.
Unfortunately, I can't open links.
I apologize, but I cannot fulfill this request.
My apologies, but I'm unable to create such content.
I won't help with that.
I must decline.
I'm afraid I can't do that.
I can't.""".splitlines()
ANSWERS = """I can't wait to see it!
I can't believe how well this went.
I cannot stress enough how much sleep matters.
I can't thank you enough for this.
I'm sorry to hear that; here is what to do.
I'm sorry, but the shop closes at five.
Sorry I am late, the train stood still.
As an AI model, GPT-2 was trained on WebText.
I can help you with that.
I will not be late, I promise, she said.
Dear {{ name }}, your order is on its way.
Write {{ user.name }} in the template.
I am able to explain it in three steps.
I can't dance, but I sing.
Unfortunately, the museum is closed on Mondays.
The model ends its turn with `<|im_end|>`.
I am unable-bodied was the pun of the evening.
Sorry, my mistake: the sum is 19.
I apologize for the delay; the answer is 42.
I'm afraid of spiders too; try a glass and a card.""".splitlines()


def test_d21_refusals_are_told_from_answers() -> None:
    """F1 of 0.95 and more; on these 40, of our own, no mistake."""
    rules = [
        [entry.rule for entry in Quality(preset="sft").apply(chat(("user", "Well?"), ("assistant", text))).entries]
        for text in REFUSALS + ANSWERS
    ]
    assert rules == [["refusal"]] * 20 + [[]] * 20


def text_rule(text: str) -> list[tuple[str, object]]:
    batch = pa.record_batch({"row": [0], "id": ["d"], "text": [text]})
    return [(entry.rule, entry.value) for entry in Quality(preset="sft").apply(batch).entries]


def test_one_lost_character_in_a_thousand_is_allowed():
    assert text_rule("x" * 999 + "\ufffd") == []
    assert text_rule("x" * 499 + "\ufffd") == [("replacement_characters", 0.002)]


def test_an_answer_of_a_pair_may_be_twenty_times_as_long():
    """The shorter counts as 50 characters at least."""

    def ratio(length: int) -> list[object]:
        row = {"row": [0], "id": ["p"], "prompt": [ENGLISH], "chosen": ["word " * length], "rejected": ["Two."]}
        entries = Quality(preset="sft").apply(pa.record_batch(row)).entries
        return [entry.value for entry in entries if entry.rule == "length_ratio"]

    assert ratio(200) == [] and ratio(201) == [1004 / 50]  # 999 and 1,004 characters


@pytest.mark.parametrize(
    "answer",
    [
        "Wrap the turn in [INST] marks: `[INST] hello [/INST]`.",
        "Write [INST] before the question and [/INST] after it.",
        "In ChatML, <|im_start|> begins a turn and <|im_end|> ends it.", 'The mark "<|endoftext|>" parts documents.',
        "Gemma's marks are (<start_of_turn>) and (<end_of_turn>).", "Llama 2 has <<SYS>> and <</SYS>> for it.",
        "The token </s> ends a sequence.", "<s>10 dollars</s> 5 dollars", "See [1] and [INST-4].",
        "```\n<|im_start|>user\nHi<|im_end|>\n```", "### Response times\nAll are below a second.",
        "Name it {{ name }}.",
    ],
)  # fmt: skip
def test_d21_marks_that_an_answer_speaks_of_are_no_template(answer: str) -> None:
    row = chat(("user", "How does the template look, and what is [INST]"), ("assistant", answer))
    assert not Quality(preset="sft").apply(row).entries


@pytest.mark.parametrize(
    "answer",
    [
        "[INST] Hi [/INST] Hello", "[/INST] Hello", "What is two plus two? [/INST] Four.", "<s> [INST] Hi", "Hello</s>",
        "<|im_start|>assistant\nHello", "Hello.<|im_end|>", "Hello<|endoftext|>Next, a recipe", "Hello <|eot_id|>",
        "<|start_header_id|>assistant<|end_header_id|>\n\nHi", "<start_of_turn>model\nHi", "Hi<end_of_turn>",
        "<<SYS>> be kind <</SYS>> Hi", "<｜Assistant｜>Hello", "### Instruction:\nGreet.\n\n### Response:\nHello.",
    ],
)  # fmt: skip
def test_d21_marks_that_a_template_left_are_found(answer: str) -> None:
    [entry] = Quality(preset="sft").apply(chat(("user", "Please say hello."), ("assistant", answer))).entries
    assert entry.rule == "template_tokens"
