import numpy as np
import pytest

from steward.loadtest.config import LoadConfig
from steward.loadtest.outcomes import OutcomeRecorder, count_first_tokens
from steward.loadtest.prompt_files import PromptRow
from steward.loadtest.prompts import PromptSource
from steward.loadtest.recorder import RECORD
from steward.loadtest.request import InFlightRequest
from steward.loadtest.response import CAUSES, ReportedUsage, ResponseParser


def response(times=(10.5, 10.6, 10.7), characters=12, first_characters=4, usage=None, **fields):
    found = ResponseParser()
    found.streamed, found.status = True, 200
    found.text_times, found.characters, found.first_characters = list(times), characters, first_characters
    found.first = found.first_output = times[0] if times else None
    found.last = times[-1] if times else None
    found.usage = ReportedUsage(*usage) if usage else None
    for name, value in fields.items():
        setattr(found, name, value)
    return found


def request(intended=10.0, sent_at=10.25):
    found = InFlightRequest(0, 0, intended)
    found.sent_at, found.in_flight = sent_at, 3
    return found


def recorder(count=None, rows=(), warmup_s=0.0, **config):
    prompts = PromptSource(LoadConfig(url="http://h", model="m", input_tokens="40", output_tokens="8", **config), rows)
    made = OutcomeRecorder(prompts, count, warmup_s)
    made.start = 8.0
    return made


def row_of(made):
    return np.frombuffer(made.records.pack(), dtype=np.dtype(RECORD))[-1]


def test_times_are_relative_to_the_intended_send():
    made = recorder()
    made.record(request(), response(usage=(41, 3), first_output=10.6), "ok", 10.9)
    row = row_of(made)
    assert row["intended"] == 2.0 and row["late"] == 0.25 and row["in_flight"] == 3 and row["status"] == 200
    assert [row[name] for name in ("first", "first_output", "last", "end")] == pytest.approx([0.5, 0.6, 0.7, 0.9])
    assert np.isnan(row["connect"]) and (row["input_tokens"], row["output_tokens"], row["events"]) == (41, 3, 3)
    assert made.answered == 1 and made.failed == 0 and made.output_tokens == 3 and made.take_ttft_ms() == [500.0]
    assert made.take_ttft_ms() == []


def test_an_answer_that_is_not_streamed_has_no_first_token():
    made = recorder()
    made.record(request(), response(streamed=False, usage=(5, 3)), "ok", 11.0)
    assert (
        np.isnan(row_of(made)["first"]) and np.isnan(row_of(made)["first_output"]) and row_of(made)["first_tokens"] == 0
    )


@pytest.mark.parametrize(
    "cause, failed, text",
    [("http", 1, {"http_429": "slow down"}), ("unfinished", 0, {"unfinished": "slow down"})],
)
def test_failures_are_counted_and_keep_the_first_words_of_the_server(cause, failed, text):
    made = recorder()
    for words in ("slow down", "again"):
        made.record(request(), response(status=429, error_text=words), cause, 11.0)
    assert made.failed == 2 * failed and made.answered == 0 and made.records.error_texts == text
    assert CAUSES[row_of(made)["cause"]] == cause and row_of(made)["output_tokens"] == 0 and row_of(made)["source"] == 3


def test_warm_up_counts_for_progress_only():
    made = recorder(warmup_s=3.0)
    made.record(request(intended=10.9), response(usage=(5, 3)), "ok", 11.0)
    assert made.answered == 1 and made.output_totals.requests == 0 and sum(made.records.gaps) == 0
    made.record(request(intended=11.0), response(usage=(5, 3)), "ok", 12.0)
    assert made.output_totals.requests == 1 and sum(made.records.gaps) == 2


def test_tokens_are_the_servers_a_tokenizers_or_estimated():
    made = recorder(count=len)
    made.record(request(), response(usage=(5, 3)), "ok", 11.0)
    made.record(request(), response(text=["four", "five!"]), "ok", 11.0)
    plain = recorder()
    plain.record(request(), response(characters=40), "ok", 11.0)  # ten tokens of four characters
    rows = np.frombuffer(made.records.pack(), dtype=np.dtype(RECORD))
    assert list(rows["output_tokens"]) == [3, 9] and list(rows["source"]) == [0, 1]
    assert row_of(plain)["output_tokens"] == 10 and row_of(plain)["source"] == 2 and row_of(plain)["input_tokens"] == 40


def test_embeddings_have_no_output_tokens_and_need_no_estimate():
    made = recorder(endpoint="embeddings")
    made.record(request(), response((), 0, 0, usage=(7, None), streamed=False), "ok", 11.0)
    assert (row_of(made)["input_tokens"], row_of(made)["output_tokens"], row_of(made)["source"]) == (7, 0, 0)
    chat = recorder()
    chat.record(request(), response(usage=(7, None), characters=40), "ok", 11.0)
    assert (row_of(chat)["input_tokens"], row_of(chat)["output_tokens"], row_of(chat)["source"]) == (7, 10, 2)


def test_text_that_is_kept_for_a_conversation_does_not_make_a_tokenizer():
    made = recorder()
    made.record(request(), response(text=["four"], characters=40), "ok", 11.0)
    assert row_of(made)["source"] == 2


def test_a_gap_needs_two_events_and_progress_keeps_two_hundred_first_tokens():
    made = recorder()
    made.record(request(), response((10.5, 10.6), usage=(5, 2)), "ok", 11.0)
    assert sum(made.records.gaps) == 1
    for _ in range(250):
        made.record(request(), response((10.5,), usage=(5, 1)), "ok", 11.0)
    assert sum(made.records.gaps) == 1 and len(made.take_ttft_ms()) == 200
    made.record(request(), response((), 0, 0, usage=(5, 0)), "ok", 11.0)
    assert made.take_ttft_ms() == []


def test_l6_a_given_prompt_is_not_taken_for_the_default_length():
    text = PromptRow(messages=({"role": "user", "content": "x" * 20},))
    made = recorder(rows=[text])
    made.record(request(), response(), "ok", 11.0)
    assert row_of(made)["input_tokens"] == 5 and made.input_totals.requests == 0 and made.output_totals.requests == 0


def test_l6_a_trace_is_compared_with_its_own_lengths():
    made = recorder(rows=[PromptRow(input_tokens=5, output_tokens=6)])
    made.record(request(), response(usage=(7, 3)), "ok", 11.0)
    assert (made.input_totals.asked, made.input_totals.got) == (5, 7)
    assert (made.output_totals.asked, made.output_totals.got) == (6, 3)


def test_the_echo_servers_clock_tells_the_error():
    made = recorder()
    made.record(request(), response(usage=(5, 3), stamp=(100.0, 100.375)), "ok", 11.0)
    assert list(made.clock_errors) == [0.125]


@pytest.mark.parametrize(
    "times, tokens, characters, first, expected",
    [
        ((1.0, 2.0, 3.0), 3, 12, 4, 1),  # one token an event
        ((1.0, 1.0, 3.0), 3, 12, 8, 2),  # two events arrived together
        ((1.0, 1.0, 1.0), 3, 12, 12, 0),  # all at one time
        ((1.0,), 5, 20, 20, 0),  # all in one event
        ((1.0,), 1, 4, 4, 1),  # a single token has no time per token either, but nothing is hidden
        ((1.0, 2.0), 10, 40, 20, 5),  # half of the text came first
        ((1.0, 2.0), 10, 40, 0, 1),  # at least one for each event
        ((1.0, 2.0), 10, 40, 40, 9),  # and one is left for the second
        ((), 3, 0, 0, 0),
        ((1.0, 1.0, 3.0), 2, 12, 12, 2),  # fewer tokens than events: those that arrived together
        ((1.0, 1.0, 3.0), 3, 12, 12, 2),
        ((1.0, 2.0), 10, 1, 1, 9),
    ],
)
def test_l1_tokens_of_the_first_event(times, tokens, characters, first, expected):
    assert count_first_tokens(response(times, characters, first), tokens) == expected


def test_l1_a_tokenizer_counts_the_first_event():
    found = response((1.0, 2.0), 40, 20, text=["one two three", " four"])
    assert count_first_tokens(found, 4, lambda text: len(text.split())) == 3
    assert count_first_tokens(response(streamed=False), 4) == 0


def test_only_failures_have_words_and_only_where_the_server_gave_some():
    made = recorder()
    made.record(request(), response(usage=(5, 3), error_text="odd"), "ok", 11.0)
    made.record(request(), response(status=500), "http", 11.0)
    assert made.records.error_texts == {} and made.failed == 1


@pytest.mark.parametrize("status, refused", [(401, 1), (403, 1), (404, 1), (429, 0), (500, 0)])
def test_e15_what_the_next_request_would_meet_too_is_counted_apart(status, refused):
    made = recorder()
    made.record(request(), response(times=(), status=status), "http", 10.9)
    assert (made.failed, made.refused) == (1, refused)
