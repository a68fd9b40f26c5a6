"""Conversations with tools and users, against a model that says what the test lets it say."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from steward.core.errors import Unavailable
from steward.evaluation.conversation import STOP, AskModel, Conversation, ConversationSetup, RunTool, converse
from steward.evaluation.tools import SimulatedUser, ToolSpec

WEATHER = ToolSpec(name="weather", result="rain")


class Speaker:
    """Gives its lines one after the other, and keeps what it was sent."""

    def __init__(self, lines: Iterable[Any]) -> None:
        self.lines, self.sent = list(lines), list[dict[str, Any]]()

    def send(self, body: bytes) -> tuple[bytes, float]:
        self.sent.append(json.loads(body))
        line = self.lines.pop(0)
        if isinstance(line, Exception):
            raise line
        message = {"content": line} if isinstance(line, str) else {"content": None, "tool_calls": line}
        usage = {"prompt_tokens": 10, "completion_tokens": 2}
        reply = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}
        return json.dumps(reply).encode(), 0.5


def call(name: str, arguments: str = "{}") -> list[dict[str, Any]]:
    return [{"id": "1", "type": "function", "function": {"name": name, "arguments": arguments}}]


def talk(speaker: Speaker, other: Speaker | None = None, tools_by_name: Any = None, **setup: Any) -> Conversation:
    """Takes the steps as `evaluation/run.py` does."""
    functions = frozenset(tools_by_name or {})
    made = ConversationSetup(model="m", parameters={"temperature": 0}, functions=functions, **setup)
    steps = converse([{"role": "user", "content": "Hello"}], made)
    try:
        step = next(steps)
        while True:
            try:
                if isinstance(step, RunTool):
                    result: Any = tools_by_name[step.name](step.arguments)
                else:
                    whom = speaker if isinstance(step, AskModel) else other
                    assert whom is not None
                    result = whom.send(step.body)
            except Unavailable as failure:
                step = steps.throw(failure)
            else:
                step = steps.send(result)
    except StopIteration as ended:
        found: Conversation = ended.value
        return found


def test_a_tool_is_called_and_its_result_told() -> None:
    speaker = Speaker([call("weather", '{"city": "Bern"}'), "It rains."])
    found = talk(speaker, tools=[WEATHER])
    assert (found.text, found.finish, found.error) == ("It rains.", "stop", None)
    assert [(one.name, one.arguments, one.result) for one in found.calls] == [("weather", '{"city": "Bern"}', "rain")]
    assert (found.input_tokens, found.output_tokens, found.latency_s) == (20, 4, 1.0)
    assert speaker.sent[1]["messages"][-1] == {"role": "tool", "tool_call_id": "1", "content": "rain"}
    assert speaker.sent[0]["tools"][0]["function"]["name"] == "weather" and speaker.sent[0]["temperature"] == 0


def test_a_function_gets_the_arguments_and_mistakes_are_told_to_the_model() -> None:
    speaker = Speaker([call("add", '{"a": 1}'), call("add", "{"), call("sub"), "Done."])
    tools = [ToolSpec(name="add", function="t.py:add")]
    found = talk(speaker, tools=tools, tools_by_name={"add": lambda given: str(given["a"] + 1)})
    assert found.calls[0].result == "2" and "not a JSON object" in found.calls[1].result
    assert "no tool 'sub'" in found.calls[2].result and found.text == "Done."


def test_a_tool_that_is_only_declared_ends_the_conversation() -> None:
    found = talk(Speaker([call("weather")]), tools=[ToolSpec(name="weather")])
    assert [one.name for one in found.calls] == ["weather"] and found.text == "" and found.error is None


def test_a_conversation_without_end_is_ended() -> None:
    found = talk(Speaker([call("weather")] * 3), tools=[WEATHER], max_turns=3)
    assert found.finish == "max_turns" and len(found.calls) == 3


def test_a_script_answers_after_each_answer() -> None:
    speaker = Speaker(["Which order?", "It is on its way.", "Bye."])
    found = talk(speaker, user=SimulatedUser(script="said"), script=["Number 7", "Thanks"])
    assert found.transcript == [
        ("assistant", "Which order?"), ("user", "Number 7"), ("assistant", "It is on its way."), ("user", "Thanks"),
        ("assistant", "Bye."),
    ]  # fmt: skip
    assert found.text == "Bye." and speaker.sent[2]["messages"][3]["content"] == "It is on its way."


def play(lines: list[Any], turns: int = 5) -> tuple[Conversation, Speaker]:
    model, user = Speaker(["One?", "Two?", "Three?"]), Speaker(lines)
    user_spec = SimulatedUser(model="u", instructions="Be short.", turns=turns)
    return talk(model, user, user=user_spec, instructions="Be short."), user


def test_another_model_plays_the_user_until_it_stops() -> None:
    found, user = play(["yes", STOP])
    assert [text for role, text in found.transcript if role == "user"] == ["yes"] and found.text == "Two?"
    seen = user.sent[1]["messages"]
    assert seen[0]["content"].endswith("Be short.") and [one["role"] for one in seen[1:]] == [
        "assistant",
        "user",
        "assistant",
        "user",
    ]
    found, _ = play(["yes", "no"], turns=1)
    assert found.text == "Two?" and found.error is None


def test_whoever_plays_the_user_sees_no_tools() -> None:
    model, user = Speaker([call("weather"), "It rains.", "Bye."]), Speaker(["And then?", STOP])
    user_spec = SimulatedUser(model="u", instructions="Be short.", turns=5)
    talk(model, user, user=user_spec, instructions="Be short.", tools=[WEATHER])
    assert [one["content"] for one in user.sent[0]["messages"][1:]] == ["Hello", "It rains."]


def test_whoever_is_not_reached_makes_the_item_fail() -> None:
    assert talk(Speaker([Unavailable("HTTP 500")])).error == "HTTP 500"
    assert play([Unavailable("HTTP 503")])[0].error == "HTTP 503"
