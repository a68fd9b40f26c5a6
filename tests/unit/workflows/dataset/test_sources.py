import msgspec
import pytest

from steward.core.captures import CapturedContent, CapturedExchange, CapturedText
from steward.core.errors import InputError
from steward.core.records import Feedback, RatedExchange
from steward.gateway.feedback import FeedbackContent
from steward.improvement.dataset.config import DatasetConfig, RowSource
from steward.workflows.dataset.sources import SourceReader, summarise_ratings
from training_sets import write_rows


def rated(request_id, score, at=1.0, correction=None, project="default", subject="5f"):
    sealed = msgspec.msgpack.encode(FeedbackContent(None, correction)) if correction else None
    record = Feedback(
        id=f"f{at}", at=at, key_id="k", project=project, request_id=request_id, score=score, sealed=sealed
    )
    return RatedExchange(feedback=record, subject=subject, conversation=None)


def summarise(*several, project="default"):
    return summarise_ratings(list(several), lambda record: record.sealed, project)


def test_the_newest_score_counts_and_a_correction_stays():
    ratings = summarise(rated("a", -1.0, 1.0, "Better."), rated("a", 1.0, 2.0), rated("b", 1.0))
    assert (ratings["a"].score, ratings["a"].correction, ratings["a"].at) == (1.0, "Better.", 2.0)
    assert ratings["b"].correction is None


def test_another_projects_ratings_are_not_read():
    assert summarise(rated("a", 1.0, project="other")) == {}


@pytest.fixture
def read(tmp_path):
    def read(rows, ratings=None, **source):
        write_rows(tmp_path / "x.jsonl", rows)
        config = DatasetConfig(name="s", sources=[RowSource(path="x.jsonl", **source)])
        reader = SourceReader(config, tmp_path, lambda name: f"<{name}>")
        return list(reader.read(config.sources[0], ratings or {})), reader

    return read


CHAT = [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "There."}]


def test_an_exchange_is_joined_to_its_rating(read):
    rows = [{"request_id": name, "messages": CHAT} for name in ("liked", "disliked", "corrected", "silent")]
    ratings = summarise(rated("liked", 0.5), rated("disliked", -0.5), rated("corrected", -1.0, correction="Here."))
    got, reader = read(rows, ratings, kind="feedback")
    assert [(row.id, row.origin, row.label, row.by_model) for row in got] == [
        ("liked", "rating", True, True),
        ("disliked", "rating", False, True),
        ("corrected", "correction", True, False),
    ]
    assert got[2].completion == ({"role": "assistant", "content": "Here."},)
    assert got[2].rejected == ({"role": "assistant", "content": "There."},)
    assert {row.subject for row in got} == {"5f"}  # of the request, not of the file
    assert reader.skipped == {"not rated": 1}


def test_an_exchange_without_a_request_id_cannot_be_joined(read):
    with pytest.raises(InputError, match=r"x.jsonl:1: no request_id"):
        read([{"messages": CHAT}], kind="feedback")


def test_people_and_conversations_of_files_become_pseudonyms(read):
    [row], _ = read([{"messages": CHAT, "who": "ana", "thread": "t"}], subject="who", conversation="thread")
    assert (row.subject, row.conversation) == ("<ana>", "<t>")


def test_earlier_answers_belong_to_the_prompt(read):
    [row], _ = read(
        [{"messages": [*CHAT, {"role": "user", "content": "And?"}, {"role": "assistant", "content": "So."}]}]
    )
    assert [message["content"] for message in row.prompt] == ["Where?", "There.", "And?"]
    assert [message["content"] for message in row.completion] == ["So."]


def test_after_a_tool_only_the_last_answer_is_learnt(read):
    call = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }
    tool = {"role": "tool", "tool_call_id": "1", "content": "42"}
    [row], _ = read(
        [{"messages": [CHAT[0], call, tool, CHAT[1]], "tools": [{"type": "function", "function": {"name": "f"}}]}]
    )
    assert [message["role"] for message in row.prompt] == ["user", "assistant", "tool"]
    assert [message["content"] for message in row.completion] == ["There."]
    assert row.tools == ({"type": "function", "function": {"name": "f"}},)


def test_a_pair_has_two_answers_and_a_label_false_is_one_not_to_give(read):
    [pair], _ = read([{"prompt": CHAT[:1], "chosen": CHAT[1:], "rejected": [{"role": "assistant", "content": "?"}]}])
    assert (pair.completion[0]["content"], pair.rejected[0]["content"]) == ("There.", "?")
    [bad], _ = read([{"prompt": CHAT[:1], "completion": CHAT[1:], "label": False}])
    assert bad.label is False


@pytest.mark.parametrize(
    ("value", "seconds"), [(1764374400, 1764374400.0), ("2025-11-29T00:00:00Z", 1764374400.0), (None, None)]
)
def test_times_are_seconds_or_dates(read, value, seconds):
    [row], _ = read([{"messages": CHAT, "at": value}])
    assert row.at == seconds


def test_who_wrote_the_answers_is_said_of_the_file(read):
    assert read([{"messages": CHAT}], written_by="model")[0][0].by_model
    assert not read([{"messages": CHAT}])[0][0].by_model


def test_a_column_of_consent_that_is_not_there_is_an_error(read):
    with pytest.raises(InputError, match="no column 'agreed', which says who agreed; its columns are topic"):
        read([{"messages": CHAT, "topic": "x"}], consent="agreed")


def captured(text="There.", field="content", **fields):
    given = dict(
        request_id="req_1", at=5.0, key_id="k", project="default", endpoint="/v1/chat/completions", route="r",
        model="m", streamed=False, subject="5f", conversation="c", purpose="training", consent=True, form="masked",
        rules_version="1", expires_at=9.0, complete=True, sealed=b"",
    )  # fmt: skip
    request = msgspec.json.encode({"model": "m", "messages": CHAT[:1], "system": fields.pop("system", None)})
    content = CapturedContent(request, (CapturedText(0, field, text), CapturedText(1, field, "second choice")))
    return CapturedExchange(**{**given, **fields}), content


def read_captured(tmp_path, *captures, ratings=None, **source):
    config = DatasetConfig(name="s", sources=[RowSource(kind="captured", **source)])
    reader = SourceReader(config, tmp_path, lambda name: name)
    return list(reader.read_captured(config.sources[0], captures, ratings or {})), reader


def test_a_captured_exchange_that_was_liked_is_learnt(tmp_path):
    [row], reader = read_captured(tmp_path, captured(), ratings=summarise(rated("req_1", 1.0)))
    assert (row.id, row.origin, row.basis, row.consent, row.purposes) == (
        "req_1", "rating", "consent", "given", ("training",),
    )  # fmt: skip
    assert (row.subject, row.conversation, row.at, row.by_model) == ("5f", "c", 5.0, True)
    assert row.prompt == ({"role": "user", "content": "Where?"},)
    assert row.completion == ({"role": "assistant", "content": "There."},)
    assert reader.files[0].rows == 1


def test_a_system_text_of_messages_comes_first(tmp_path):
    one = captured(endpoint="/v1/messages", field="text.0", system="Be kind.")
    [row], _ = read_captured(tmp_path, one, unrated=True)
    assert row.prompt[0] == {"role": "system", "content": "Be kind."} and row.origin == "exchange"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"endpoint": "/v1/embeddings"}, "not a chat (/v1/embeddings)"),
        ({"complete": False}, "the answer broke off"),
        ({"field": "tool_calls.0"}, "an answer that is more than text"),
        ({}, "not rated"),
    ],
)
def test_what_is_no_chat_to_learn_from_is_passed_over(tmp_path, fields, reason):
    rows, reader = read_captured(tmp_path, captured(**fields), unrated=bool(fields))
    assert rows == [] and reader.skipped == {reason: 1}


def test_consent_and_purpose_of_captured_exchanges_are_those_they_were_kept_with(tmp_path):
    no = captured(consent=False)
    other = captured(purpose="evaluation", consent=None)
    elsewhere = captured(project="other")
    rows, _ = read_captured(tmp_path, no, other, elsewhere, unrated=True)
    assert [(row.consent, row.purposes) for row in rows] == [("withheld", ("training",)), ("not asked", ())]


@pytest.mark.parametrize(("score", "label"), [(-0.5, False), (0.5, True), (None, True)])
def test_only_a_score_below_nothing_is_an_answer_not_to_give(read, score, label):
    [row], _ = read([{"messages": CHAT, "score": score}], score="score")
    assert row.label is label and row.source.endswith("x.jsonl")
    assert read([{"messages": CHAT, "score": 0}], score="score")[1].skipped == {"rated 0": 1}


@pytest.mark.parametrize("score", [True, "1", 1.01, -2])
def test_a_score_is_a_number_from_minus_one_to_one(read, score):
    with pytest.raises(InputError, match="expected a number from -1 to 1"):
        read([{"messages": CHAT, "score": score}], score="score")


@pytest.mark.parametrize(
    ("chosen", "rejected", "prompt"),
    [
        ("qa", "qb", "q"),  # as in the sets of Anthropic's and of UltraFeedback: the pair begins alike
        ("qaq", "qaqb", "qa"),  # what both begin with, and an answer is left in each
        ("a", "b", ""),
        ("qab", "qa", "q"),
    ],
)
def test_a_pair_without_a_prompt_has_what_both_begin_with(read, chosen, rejected, prompt):
    def chat(letters):
        return [{"role": "user" if letter == "q" else "assistant", "content": letter} for letter in letters]

    (pair,), _ = read([{"chosen": chat(chosen), "rejected": chat(rejected)}])
    assert "".join(message["content"] for message in pair.prompt) == prompt
    assert "".join(message["content"] for message in pair.completion) == chosen.removeprefix(prompt)
    assert "".join(message["content"] for message in pair.rejected) == rejected.removeprefix(prompt)
