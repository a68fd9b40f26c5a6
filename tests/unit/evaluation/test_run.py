"""What a run asks, keeps and tells beside its scores."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from steward.core.errors import InputError, Unavailable
from steward.evaluation.metrics.graded import Grade, GraderCall
from steward.evaluation.run import (
    Asking,
    ItemAnswer,
    RunResults,
    clusters_by_id,
    contains_reference,
    find_warnings,
    is_truncated,
    metric_input,
    question_text,
    read_run,
    run_suite,
    send_cached,
    send_with_retries,
    split_by_slice,
)
from steward.evaluation.suite import PromptMessage, Suite, SuiteItem, SuiteSpec
from steward.evaluation.tools import ToolSpec

SUITE = SuiteSpec(name="s", data="d.jsonl", metrics=("exact_match",), prompt="{q}")
ITEM = SuiteItem("1", (PromptMessage("user", "Which?"),), ("yes",), {}, "1")


def warn(text: str | None, finish: str | None) -> list[str]:
    return list(find_warnings([ITEM], {"1": ItemAnswer(id="1", prediction=text, finish=finish)}, SUITE))


@pytest.mark.parametrize("finish", ["length", "max_tokens", "MAX_TOKENS", "model_context_window_exceeded"])
def test_e13_a_limit_of_tokens_by_its_other_names(finish: str) -> None:
    """OpenAI's, Anthropic's and Gemini's API references."""
    (said,) = warn("cut", finish)
    assert said.startswith(f"1 of 1 answers were cut off at the token limit (finish_reason {finish})")
    assert not is_truncated(ItemAnswer(id="1", finish="stop")) and not is_truncated(ItemAnswer(id="1"))


@pytest.mark.parametrize("finish", ["content_filter", "SAFETY"])
def test_e13_answers_that_were_withheld_are_told(finish: str) -> None:
    (said,) = warn("", finish)
    assert "withheld by the server's content filter" in said


@pytest.mark.parametrize("text", ["", " \n", None, "<think>only thoughts</think>"])
def test_e13_empty_answers_are_told(text: str | None) -> None:
    (said,) = warn(text, "stop")
    assert "1 of 1 answers are empty" in said
    assert warn("", "length") != [said] and warn("yes", "stop") == []


class Reply:
    """What a server answers: status, body, headers."""

    def __init__(self, status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.status, self.body, self.headers = status, body, headers or {}

    async def read(self) -> bytes:
        return self.body


def says(text: Any, finish: str = "stop", **message: Any) -> Reply:
    usage = {"prompt_tokens": 7, "completion_tokens": 2}
    body = {"choices": [{"message": {"content": text, **message}, "finish_reason": finish}], "usage": usage}
    return Reply(body=json.dumps(body).encode())


class Server:
    """Gives the replies in their order, the last one again and again; notes what it was asked."""

    def __init__(self, *replies: Reply | Unavailable) -> None:
        self.replies, self.asked = list(replies), list[dict[str, Any]]()

    async def call(
        self, endpoint: str, body: bytes, headers: Mapping[str, str] | None = None, streamed: bool = False
    ) -> Any:
        self.asked.append({"endpoint": endpoint, **json.loads(body)})
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Unavailable):
            raise reply
        return reply


def send(server: Server, retries: int = 3) -> tuple[bytes | str, list[float]]:
    """The reply or why there is none, and the pauses that were made."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    try:
        data, _ = asyncio.run(send_with_retries(server, "/v1/x", b"{}", Asking(retries=retries, pause=pause)))
    except Unavailable as error:
        return str(error), pauses
    return data, pauses


def test_a_server_in_trouble_is_asked_three_times_more_with_growing_pauses() -> None:
    server = Server(Reply(503, b'{"error": {"message": "busy"}}'))
    assert send(server) == ("HTTP 503: busy", [0.5, 1.5, 4.0]) and len(server.asked) == 4
    assert send(Server(Reply(503)), retries=5) == ("HTTP 503", [0.5, 1.5, 4.0, 4.0, 4.0])
    assert send(Server(Reply(500)), retries=0) == ("HTTP 500", [])


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(status: int) -> None:
    assert send(Server(Reply(status), Reply(200, b"ok"))) == (b"ok", [0.5])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422, 430, 501, 505])
def test_what_stays_wrong_is_not(status: int) -> None:
    assert send(Server(Reply(status))) == (f"HTTP {status}", [])


def test_a_connection_that_failed_is_tried_again() -> None:
    assert send(Server(Unavailable("connection failed"), Reply(200, b"ok"))) == (b"ok", [0.5])


@pytest.mark.parametrize(
    ("header", "pause"), [("2", 2.0), ("0.1", 0.5), ("60", 60.0), ("61", 60.0), ("-5", 0.5), ("soon", 0.5)]
)
def test_a_server_may_ask_for_a_longer_pause_of_a_minute_at_most(header: str, pause: float) -> None:
    assert send(Server(Reply(429, b"", {"retry-after": header}), Reply(200, b"ok"))) == (b"ok", [pause])


def test_a_long_message_of_a_server_is_cut() -> None:
    body = json.dumps({"error": {"message": "x" * 300}}).encode()
    assert send(Server(Reply(400, body))) == ("HTTP 400: " + "x" * 199 + "…", [])


ITEMS = tuple(
    SuiteItem(str(number), (PromptMessage("user", f"Question {number}?"),), ("yes",), {"topic": topic}, str(number))
    for number, topic in enumerate(("a", "b", "a"), 1)
)
WHOLE = Suite(
    msgspec.structs.replace(SUITE, slices=("topic",), parameters={"temperature": 0}), ITEMS, "d" * 64, "p" * 64
)


def run(folder: Path, server: Server, suite: Suite = WHOLE, **options: Any) -> RunResults:
    async def pause(seconds: float) -> None:
        pass

    asking = Asking(pause=pause, clock=lambda: 1234.5678, **options.pop("asking", {}))
    return asyncio.run(run_suite(suite, "m", server, folder, asking=asking, concurrency=1, **options))


def test_all_items_are_asked_once_scored_and_kept(tmp_path: Path) -> None:
    server, told = Server(says("yes"), says("no"), says("yes")), list[tuple[int, int]]()
    results = run(tmp_path / "r", server, progress=lambda done, errored: told.append((done, errored)))
    assert (results.scores[0].value, results.items, results.errored) == (pytest.approx(2 / 3), 3, ())
    assert [(part.name, part.score.value) for part in results.slices] == [("a", 1.0), ("b", 0.0)]
    assert told == [(0, 0), (1, 0), (2, 0), (3, 0)] and len(server.asked) == 3
    assert server.asked[0] == {
        "endpoint": "/v1/chat/completions", "model": "m", "temperature": 0,
        "messages": [{"role": "user", "content": "Question 1?"}],
    }  # fmt: skip
    back = read_run(tmp_path / "r")
    assert back.items == ITEMS and back.manifest.items == 3 and back.manifest.format == 1
    one = back.answers["1"]
    assert (one.prediction, one.at, one.input_tokens, one.output_tokens) == ("yes", 1234.568, 7, 2)
    again = Server(says("never asked"))
    assert run(tmp_path / "r", again) == results and not again.asked


def test_what_failed_is_asked_again_in_the_next_run(tmp_path: Path) -> None:
    first = run(tmp_path / "r", Server(says("yes"), Reply(400), says("yes")))
    assert first.errored == ("2: HTTP 400",)
    server = Server(says("yes"))
    assert run(tmp_path / "r", server).errored == () and len(server.asked) == 1


def test_a_torn_line_is_asked_again_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    run(tmp_path / "r", Server(says("yes")))
    answers = tmp_path / "r" / "answers.jsonl"
    whole = answers.read_bytes()
    answers.write_bytes(whole[:-5])
    with pytest.raises(InputError, match="1 of 3 items have no answer yet, the first is '3'"):
        read_run(tmp_path / "r")
    server = Server(says("yes"))
    run(tmp_path / "r", server)
    assert len(server.asked) == 1 and answers.read_bytes().count(b"\n") == 3
    answers.write_bytes(whole.splitlines(keepends=True)[0] + b"{}\n")
    with pytest.raises(InputError, match=r"answers.jsonl:2: not an answer"):
        read_run(tmp_path / "r")


@pytest.mark.parametrize("failure", [Reply(401), Reply(403), Reply(404), Unavailable("connection failed: h:1")])
def test_a_wrong_key_model_or_address_ends_the_run_at_its_first_item(
    tmp_path: Path, failure: Reply | Unavailable
) -> None:
    with pytest.raises(Unavailable, match="no other item was asked"):
        run(tmp_path / "r", Server(failure))
    assert run(tmp_path / "s", Server(Reply(400))).errored == ("1: HTTP 400", "2: HTTP 400", "3: HTTP 400")


def test_another_run_is_not_mixed_into_a_folder(tmp_path: Path) -> None:
    run(tmp_path / "r", Server(says("yes")))
    other = msgspec.structs.replace(WHOLE, data_sha256="e" * 64)
    with pytest.raises(InputError, match=r"contains a different run \(data_sha256 differ\)"):
        run(tmp_path / "r", Server(says("yes")), other)
    with pytest.raises(InputError, match="not a run folder"):
        read_run(tmp_path / "none")


def test_answers_are_taken_from_the_cache_repeats_and_retrained_models_apart(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    run(tmp_path / "a", Server(says("yes")), cache=cache)
    server = Server(says("no"))
    assert run(tmp_path / "b", server, cache=cache).scores[0].value == 1.0 and not server.asked
    assert read_run(tmp_path / "b").answers["1"].cached and not read_run(tmp_path / "a").answers["1"].cached
    run(tmp_path / "c", server, cache=cache, model_sha256="f" * 64)
    assert len(server.asked) == 3
    repeats = msgspec.structs.replace(WHOLE, items=(msgspec.structs.replace(ITEMS[0], id="1#2"),))
    run(tmp_path / "d", server, repeats, cache=cache)
    assert len(server.asked) == 4


def test_a_stream_asks_for_its_usage(tmp_path: Path) -> None:
    event = {"choices": [{"index": 0, "delta": {"content": "yes"}, "finish_reason": "stop"}]}
    server = Server(Reply(body=b"data: " + json.dumps(event).encode() + b"\n\ndata: [DONE]\n\n"))
    assert run(tmp_path / "r", server, asking={"stream": True}).scores[0].value == 1.0
    assert server.asked[0]["stream"] is True and server.asked[0]["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(body=b"{}"), "without a chat completion"),
        (Reply(body=b"not json"), "without a chat completion"),
        (says(None), "the content of the answer is NoneType, expected text"),
        (says(None, reasoning_content="hm"), ""),
    ],
)
def test_only_words_are_an_answer(tmp_path: Path, reply: Reply, error: str) -> None:
    results = run(tmp_path / "r", Server(reply))
    assert [error in each for each in results.errored] == [True] * 3 if error else not results.errored


@pytest.mark.parametrize(
    ("asked", "reference", "found"),
    [
        ("Is it blue?", "blue", True), ("Is it Blue?", "BLUE", True), ("Is it bluer?", "blue", False),
        ("Is it red?", "red", False), ("Is it 1234?", 1234, True), ("Is it blue?", "green", False),
    ],
)  # fmt: skip
def test_a_prompt_that_gives_its_answer_away_is_told(asked: str, reference: Any, found: bool) -> None:
    """From four letters on, as whole words; worked examples before the question do not count."""
    messages = (PromptMessage("user", str(reference)), PromptMessage("assistant", "x"), PromptMessage("user", asked))
    assert contains_reference(SuiteItem("1", messages, (reference,), {}, "1")) is found


@pytest.mark.parametrize(
    ("suite", "is_told"),
    [
        (SUITE, True),
        (msgspec.structs.replace(SUITE, choices="options"), False),  # the options are shown to everybody
        (msgspec.structs.replace(SUITE, tools=(ToolSpec(name="look", result="x"),)), False),
    ],
)
def test_a_prompt_that_gives_the_answer_away_is_told(suite: SuiteSpec, is_told: bool) -> None:
    item = SuiteItem("1", (PromptMessage("user", "Was it Roosevelt?"),), ("Roosevelt",), {}, "1")
    said = list(find_warnings([item], {"1": ItemAnswer(id="1", prediction="no", finish="stop")}, suite))
    assert any("contain a right answer" in line for line in said) is is_told


def test_items_of_one_cluster_are_told_and_lone_ones_are_none() -> None:
    assert clusters_by_id(ITEMS) is None
    together = [ITEMS[0], msgspec.structs.replace(ITEMS[1], cluster="1")]
    assert clusters_by_id(together) == {"1": "1", "2": "1"}
    assert [(name, len(part)) for name, part in split_by_slice(ITEMS, "topic")] == [("a", 2), ("b", 1)]


def test_a_metric_looks_at_what_it_measures() -> None:
    answer = ItemAnswer(id="1", prediction="yes", latency_s=1.5, input_tokens=7, output_tokens=2)
    assert metric_input(answer, "exact_match") == "yes" and metric_input(answer, "latency") == 1.5
    assert metric_input(msgspec.structs.replace(answer, cached=True), "in_time@2") is None
    assert metric_input(answer, "cost") == {"input_tokens": 7, "output_tokens": 2}
    assert metric_input(answer, "judge") == Grade(why="not graded") and metric_input(answer, "tool_calls") == []
    failed = ItemAnswer(id="1", error="HTTP 500")
    assert [metric_input(failed, name) for name in ("latency", "cost", "judge", "tool_calls")] == [None] * 4


def test_who_says_what_is_named_where_there_is_more_than_one_message() -> None:
    two = SuiteItem("1", (PromptMessage("system", "Be brief."), PromptMessage("user", "Why?")), (), {}, "1")
    assert question_text(ITEMS[0]) == "Question 1?" and question_text(two) == "system: Be brief.\n\nuser: Why?"


def test_a_graders_reply_is_kept_where_there_is_a_cache(tmp_path: Path) -> None:
    call, server = GraderCall("/v1/x", b"{}"), Server(Reply(200, b"one"), Reply(200, b"two"))
    asking = Asking(retries=0)
    ask = [asyncio.run(send_cached(server, call, tmp_path, url, asking)) for url in ("u", "u", "other")]
    assert ask == [b"one", b"one", b"two"]
    assert asyncio.run(send_cached(server, call, None, "u", asking)) == b"two"


def test_how_far_answers_of_one_item_spread_is_told_where_items_are_repeated(tmp_path: Path) -> None:
    assert run(tmp_path / "a", Server(says("yes"))).repeatability == ()
    twice = tuple(msgspec.structs.replace(ITEMS[0], id=f"1{repeat}", cluster="1") for repeat in ("", "#2")) + tuple(
        msgspec.structs.replace(ITEMS[1], id=f"2{repeat}", cluster="2") for repeat in ("", "#2")
    )
    suite = msgspec.structs.replace(WHOLE, spec=msgspec.structs.replace(WHOLE.spec, repeats=2), items=twice)
    results = run(tmp_path / "b", Server(says("yes"), says("no"), says("yes"), says("yes")), suite)
    assert len(results.repeatability) == 1


def test_a_suite_with_tools_alone_is_a_conversation(tmp_path: Path) -> None:
    spec = msgspec.structs.replace(WHOLE.spec, tools=(ToolSpec(name="look", result="x"),))
    server = Server(says("yes"))
    assert run(tmp_path / "r", server, msgspec.structs.replace(WHOLE, spec=spec)).errored == ()
    assert [tool["function"]["name"] for tool in server.asked[0]["tools"]] == ["look"]
    assert read_run(tmp_path / "r").answers["1"].at == 1234.568
