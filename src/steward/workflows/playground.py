"""Questions from the console's playground: to the gateway like any client's, with a key of whoever asks.

The key may do nothing but ask, ends within the hour and is kept in memory; limits, guards, prices and the ledger see a
request like any other. What is asked and answered is kept nowhere.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from steward.core.errors import InputError, Unavailable
from steward.core.fetch import open_url
from steward.core.identity import Principal
from steward.core.records import LimitSpec
from steward.gateway.prompts import PromptExample
from steward.workflows import keys
from steward.workflows.gateway_probe import read_state
from steward.workflows.key_terms import EVERYBODYS, KeyTerms

KEY_S: Final = 3600.0
ANSWER_S: Final = 120.0
KNOWN_S: Final = 5.0  # in which all workers know a new key
MOST_ANSWER: Final = 1 << 20  # bytes
MOST_KEYS: Final = 1000


class PlaygroundAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, or why there is none. `guards` is the gateway's receipt."""

    text: str = ""
    problem: str = ""
    status: int = 200
    model: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    duration_s: float = 0.0
    guards: str = ""


class Playground:
    """The keys of those who have asked within the hour."""

    def __init__(
        self,
        home: Path,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._home, self._clock, self._steady, self._wait = home, clock, steady, wait
        self._keys: dict[str, tuple[str, float]] = {}

    def ask(self, model: str, messages: Sequence[dict[str, str]], *, actor: Principal) -> PlaygroundAnswer:
        """:raises InputError: the actor may not ask :raises Unavailable: nothing runs, or it does not answer"""
        state = read_state(self._home)
        url, certificate = str(state["gateway_url"]), state.get("gateway_certificate")
        body = json.dumps({"model": model, "messages": list(messages), "temperature": 0}).encode()
        limit = self._steady() + KNOWN_S
        while True:
            answer = send(url, certificate, self._find_key(actor), body)
            if answer.status != 401 or self._steady() >= limit:
                return answer
            self._wait(0.2)  # a worker that does not know the key yet

    def _find_key(self, actor: Principal) -> str:
        known = self._keys.get(f"{actor.tenant} {actor.actor}")
        now = self._clock()
        if known is not None and known[1] > now + 60.0:
            return known[0]
        terms = KeyTerms(rights=EVERYBODYS | {"infer"}, expires_at=now + KEY_S)
        created = keys.create(self._home, f"playground of {actor.id}"[:200], LimitSpec(), now, actor=actor, terms=terms)
        self._keys = {name: kept for name, kept in self._keys.items() if kept[1] > now}
        while len(self._keys) >= MOST_KEYS:
            del self._keys[next(iter(self._keys))]
        self._keys[f"{actor.tenant} {actor.actor}"] = (created.key, now + KEY_S)
        return created.key


def send(url: str, certificate: str | None, key: str, body: bytes) -> PlaygroundAnswer:
    """One chat completion. :raises Unavailable: no answer"""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/chat/completions", body, headers, method="POST")
    started = time.perf_counter()
    fields: Mapping[str, str]
    try:
        with open_url(request, ANSWER_S, certificate) as response:
            text, status, fields = response.read(MOST_ANSWER), response.status, dict(response.headers)
    except urllib.error.HTTPError as error:
        text, status, fields = error.read(MOST_ANSWER), error.code, dict(error.headers)
    except OSError as error:
        raise Unavailable(f"the gateway at {url} does not answer ({type(error).__name__})") from error
    return read_answer(text, status, fields, time.perf_counter() - started)


def read_answer(text: bytes, status: int, fields: Mapping[str, str], duration_s: float) -> PlaygroundAnswer:
    """What the gateway's body says; `fields`: its headers. :raises Unavailable: it is no answer of a gateway"""
    guards = fields.get("x-steward-guards", "")
    try:
        body = json.loads(text)
        if status >= 400:
            problem = str(body["error"]["message"])
            return PlaygroundAnswer(problem=problem, status=status, duration_s=duration_s, guards=guards)
        usage = body.get("usage") or {}
        return PlaygroundAnswer(
            text=str(body["choices"][0]["message"].get("content") or ""),
            model=str(body.get("model", "")),
            input_tokens=usage.get("prompt_tokens"),
            output_tokens=usage.get("completion_tokens"),
            status=status,
            duration_s=duration_s,
            guards=guards,
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise Unavailable(f"the gateway answered with status {status} and something that is no answer") from error


def build_messages(system: str | None, examples: Sequence[PromptExample], text: str) -> list[dict[str, str]]:
    """
    >>> build_messages("Be brief.", [PromptExample("a", "b")], "c")[0]
    {'role': 'system', 'content': 'Be brief.'}
    """
    if not text.strip():
        raise InputError("nothing to ask; write a question")
    messages = [{"role": "system", "content": system}] if system else []
    for example in examples:
        messages.append({"role": "user", "content": example.user})
        messages.append({"role": "assistant", "content": example.assistant})
    return [*messages, {"role": "user", "content": text}]
