"""One item as a conversation: the model may call tools, and a simulated user may answer it.

It ends with an answer that calls no tool and that no user answers, at a tool that is only declared, or after
`max_turns` requests, which is told as the finish reason "max_turns". A conversation is a generator: it yields what is
to be done and is sent what came of it; `evaluation/run.py` sends and calls.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Final

import msgspec

from steward.core.errors import Unavailable
from steward.core.excerpts import cut_text
from steward.evaluation.tools import SimulatedUser, ToolCall, ToolSpec, declare_tools, read_tool_calls

STOP: Final = "###STOP###"
_PLAY: Final = (
    "You play a person who talks to an assistant. Write that person's next message and nothing else. Say only what "
    f"the instructions let you know. Write {STOP} alone once the person has what they wanted or gives up.\n\n"
    "Instructions:\n"
)
Tool = Callable[[Mapping[str, Any]], str]  # arguments in, a result as text out; what it raises is told to the model


class AskModel(msgspec.Struct, frozen=True):
    """A chat request to the model under test. Send back the reply and its seconds, or throw `Unavailable`."""

    body: bytes


class AskUser(msgspec.Struct, frozen=True):
    """A chat request to the model that plays the user. Likewise."""

    body: bytes


class RunTool(msgspec.Struct, frozen=True):
    """Send back what the tool returns, as text."""

    name: str
    arguments: Mapping[str, Any]


Step = AskModel | AskUser | RunTool


class ConversationSetup(msgspec.Struct, frozen=True, kw_only=True):
    """What a conversation may do. `functions`: the tools that are functions."""

    model: str
    parameters: Mapping[str, Any]
    tools: Sequence[ToolSpec] = ()
    functions: frozenset[str] = frozenset()
    max_turns: int = 10
    user: SimulatedUser | None = None
    instructions: str = ""  # of the model that plays the user, filled for this item
    script: Sequence[str] = ()


class Conversation(msgspec.Struct, kw_only=True):
    """What became of one item."""

    text: str = ""  # of the last message of the model
    finish: str | None = None
    calls: list[ToolCall] = []
    transcript: list[tuple[str, str]] = []  # role and text, from the first message that was added
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_s: float = 0.0
    error: str | None = None


def converse(messages: Sequence[Mapping[str, str]], setup: ConversationSetup) -> Generator[Step, Any, Conversation]:
    """What was thrown as `Unavailable` stands in the record."""
    talk, history = Conversation(), [dict[str, Any](message) for message in messages]
    try:
        for _ in range(setup.max_turns):
            message = yield from _ask_model(history, setup, talk)
            calls = read_tool_calls(message)
            if calls:
                if not (yield from _run_calls(message, calls, history, setup, talk)):
                    return talk
            elif (reply := (yield from _answer_as_user(history, setup, talk))) is None:
                return talk
            else:
                _add_message(history, talk, "user", reply)
    except Unavailable as failure:
        talk.error = str(failure)
        return talk
    talk.finish = "max_turns"
    return talk


def _ask_model(
    history: list[dict[str, Any]], setup: ConversationSetup, talk: Conversation
) -> Generator[Step, Any, Mapping[str, Any]]:
    """:raises Unavailable: no answer, or one that is no chat completion"""
    body: dict[str, Any] = {"model": setup.model, "messages": history, **setup.parameters}
    if setup.tools:
        body["tools"] = declare_tools(setup.tools)
    data, seconds = yield AskModel(msgspec.json.encode(body))
    try:
        reply = msgspec.json.decode(data, type=dict[str, Any])
        choice, usage = reply["choices"][0], reply.get("usage") or {}
        message: Mapping[str, Any] = choice["message"]
        text = message.get("content")
    except (ValueError, LookupError, TypeError, AttributeError):
        raise Unavailable("the server answered HTTP 200 without a chat completion") from None
    talk.latency_s += seconds
    for name, counted in (("input_tokens", "prompt_tokens"), ("output_tokens", "completion_tokens")):
        if isinstance(usage.get(counted), int):
            setattr(talk, name, (getattr(talk, name) or 0) + usage[counted])
    talk.finish, talk.text = choice.get("finish_reason"), text if isinstance(text, str) else ""
    if talk.text or not message.get("tool_calls"):
        talk.transcript.append(("assistant", talk.text))
    return message


def _run_calls(
    message: Mapping[str, Any],
    calls: Sequence[ToolCall],
    history: list[dict[str, Any]],
    setup: ConversationSetup,
    talk: Conversation,
) -> Generator[Step, Any, bool]:
    """Whether every called tool does something, so that the conversation goes on."""
    known = {tool.name: tool for tool in setup.tools}
    acting = all(_acts(known.get(call.name), setup) for call in calls)
    history.append({"role": "assistant", "content": message.get("content"), "tool_calls": message["tool_calls"]})
    for call in calls:
        result = (yield from _run_call(call, known.get(call.name), setup)) if acting else ""
        talk.calls.append(msgspec.structs.replace(call, result=result))
        talk.transcript.append(("tool call", f"{call.name}({call.arguments})"))
        if acting:
            talk.transcript.append(("tool", result))
            history.append({"role": "tool", "tool_call_id": call.id, "content": result})
    return acting


def _acts(tool: ToolSpec | None, setup: ConversationSetup) -> bool:
    """A tool that nobody declared is answered with an error, as a program would."""
    return tool is None or tool.result is not None or tool.name in setup.functions


def _run_call(call: ToolCall, tool: ToolSpec | None, setup: ConversationSetup) -> Generator[Step, Any, str]:
    if tool is None:
        return f"error: no tool {call.name!r}; there are {[known.name for known in setup.tools]}"
    arguments = call.as_prediction()["arguments"]
    if not isinstance(arguments, dict):
        return f"error: the arguments are not a JSON object: {cut_text(call.arguments)}"
    if tool.result is not None:
        return tool.result
    result: str = yield RunTool(tool.name, arguments)
    return result


def _answer_as_user(
    history: list[dict[str, Any]], setup: ConversationSetup, talk: Conversation
) -> Generator[Step, Any, str | None]:
    """What the user says next; None where the user has nothing more to say."""
    history.append({"role": "assistant", "content": talk.text})
    spoken = sum(role == "user" for role, _ in talk.transcript)
    if setup.user is None:
        return None
    if setup.user.script:
        return setup.script[spoken] if spoken < len(setup.script) else None
    if spoken >= setup.user.turns:
        return None
    body = {"model": setup.user.model, "messages": _turn_round(history, setup.instructions)}
    data, _ = yield AskUser(msgspec.json.encode(body))
    try:
        text = msgspec.json.decode(data)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError):
        raise Unavailable("the model that plays the user did not answer with a chat completion") from None
    return None if not isinstance(text, str) or STOP in text or not text.strip() else text.strip()


def _turn_round(history: Sequence[Mapping[str, Any]], instructions: str) -> list[dict[str, str]]:
    """The conversation as the user sees it: its own messages are the assistant's, and tools are not seen."""
    turned = {"user": "assistant", "assistant": "user"}
    said = [message for message in history if message["role"] in turned and message.get("content")]
    seen = [{"role": turned[message["role"]], "content": message["content"]} for message in said]
    return [{"role": "system", "content": _PLAY + instructions}, *seen]


def _add_message(history: list[dict[str, Any]], talk: Conversation, role: str, text: str) -> None:
    history.append({"role": role, "content": text})
    talk.transcript.append((role, text))
