"""One rule as a guard: where it holds, what happens when it finds something, and what a stream holds back.

In a stream a text is judged as it comes where the rule can tell by then, else at its end: what was sent by then was
sent. What it remembers of an exchange lives as long as the exchange object.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

import msgspec

from steward.core.errors import Blocked, InputError, StewardError
from steward.core.extend import GuardContext, TextJudge, Verdict
from steward.guardrails.plan import GuardrailPlan, make_check

log = logging.getLogger(__name__)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

MOST_CHARS: Final = 4 * 1024 * 1024  # of an answer that is judged as a whole
TAIL: Final = 4096  # characters of a text that a piece is judged with
_MAIN: Final = ("content", "text", "output_text")  # fields that a reader is shown


class OverBudget(StewardError):
    """A rule took longer than it may."""


class _Answer:
    """What has come of one answer."""

    __slots__ = ("disclosed", "found", "held", "request", "schemas", "size", "texts")

    def __init__(self, request: tuple[str, ...]) -> None:
        self.request = request
        self.schemas: Mapping[str, Any] = {}
        self.texts: dict[tuple[int, str], str] = {}
        self.held: dict[tuple[int, str], str] = {}
        self.disclosed: set[int] = set()
        self.size = 0
        self.found = ""


class Guardrail:
    """A failure blocks unless `on_error` says otherwise."""

    def __init__(self, plan: GuardrailPlan, judge: TextJudge | None = None) -> None:
        self._plan, self._judge, self._check = plan, judge, make_check(plan, judge)
        self.waits = plan.is_external  # for another program, which no event loop may do
        self.name = plan.name
        self.version = f"{self._check.version}.{plan.digest}"
        self._answers: WeakKeyDictionary[GuardContext, _Answer] = WeakKeyDictionary()

    def holds_for(self, route: str) -> bool:
        return not self._plan.routes or route in self._plan.routes

    def judges_whole(self, route: str) -> bool:
        """Whether another program judges the whole answers of a route, so that nothing of one may be sent before."""
        return self._plan.is_external and self._plan.reads != "requests" and self.holds_for(route)

    def request(self, exchange: GuardContext, fields: Sequence[str]) -> Verdict:
        if not self.holds_for(exchange.route):
            return Verdict("allow", "off")
        self._answers[exchange] = _Answer(tuple(fields) if self._check.needs_request else ())
        return self._decide(self._check.judge_request, fields)

    def tool(self, exchange: GuardContext, name: str) -> None:
        """:raises Blocked: a tool of this name must not be called"""
        answer = self._answers.get(exchange)
        if answer is not None:
            self._note(answer, self._check.judge_tool(name))

    def judges_arguments(self, route: str) -> bool:
        return self._check.needs_schemas and self.holds_for(route)

    def declare(self, exchange: GuardContext, schemas: Mapping[str, Any]) -> None:
        answer = self._answers.get(exchange)
        if answer is not None:
            answer.schemas = schemas

    def call(self, exchange: GuardContext, name: str, arguments: Any) -> None:
        """:raises Blocked: its arguments do not fit"""
        answer = self._answers.get(exchange)
        if answer is None:
            return
        try:
            reason = self._check.judge_call(name, arguments, answer.schemas)
        except InputError:
            if self._plan.on_error == "block":
                raise
            reason = ""
        self._note(answer, reason)

    def delta(self, exchange: GuardContext, choice: int, field: str, text: str, last: bool) -> str:
        answer = self._answers.get(exchange)
        if answer is None:
            return text
        place = (choice, field)
        ready, held = self._check.rewrite(answer.held.pop(place, "") + text, last)
        if held:
            answer.held[place] = held
        self._remember(answer, place, ready)
        if last and field.partition(".")[0] in _MAIN and choice not in answer.disclosed:
            more = self._check.finish(answer.texts.get(place, ""))
            answer.disclosed.add(choice)
            return ready + more
        return ready

    def _remember(self, answer: _Answer, place: tuple[int, str], text: str) -> None:
        if not text:
            return
        answer.size += len(text)
        if answer.size > MOST_CHARS:
            raise OverBudget(f"an answer of more than {MOST_CHARS:,} characters")
        whole = answer.texts.get(place, "") + text
        answer.texts[place] = whole
        if self._check.reads_pieces and not answer.found:
            self._note(answer, self._check.judge_piece(whole[-TAIL - len(text) :], len(whole)))

    def _note(self, answer: _Answer, reason: str) -> None:
        if reason and self._plan.mode == "block":
            raise Blocked(reason)
        answer.found = answer.found or reason

    def close(self, exchange: GuardContext) -> Verdict:
        answer = self._answers.get(exchange)
        if answer is None:
            return Verdict("allow", "off")
        if answer.found:
            return self._tell(answer.found)
        return self._decide(self._check.judge_answer, answer.request, list(answer.texts.values()))

    def _decide(
        self, judge: Callable[Arguments, str], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Verdict:
        began = time.perf_counter()
        try:
            reason = judge(*arguments, **named)
            took_ms = (time.perf_counter() - began) * 1e3
            if self._plan.budget_ms and took_ms > self._plan.budget_ms:
                raise OverBudget(f"it took {took_ms:.0f} ms, and may take {self._plan.budget_ms:.0f}")
        except Exception:  # the policy says in words that a guard that cannot decide lets pass
            if self._plan.on_error == "block":
                raise
            return Verdict("allow", "failed")
        return self._tell(reason) if reason else Verdict("allow")

    def _tell(self, reason: str) -> Verdict:
        if self._plan.mode == "block":
            return Verdict("block", reason)
        if self._plan.mode == "warn":
            log.warning("guard %s found %s", self.name, reason)
        word: Literal["warned", "observed"] = "warned" if self._plan.mode == "warn" else "observed"
        return Verdict("allow", f"{word}: {reason}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Without what it remembers, which `recall` tells."""
        return Guardrail, (self._plan, self._judge)

    def recall(self, exchange: GuardContext) -> Any:
        answer = self._answers.get(exchange)
        return None if answer is None else (answer.request, answer.schemas)

    def remember(self, exchange: GuardContext, memory: Any) -> None:
        if memory is not None:
            request, schemas = memory
            self._answers[exchange] = _Answer(tuple(request))
            self.declare(exchange, schemas)


class JudgedText(msgspec.Struct, frozen=True):
    """What one guardrail would make of one text of a request."""

    name: str
    action: str
    reason: str


def judge_text(guardrails: Sequence[Guardrail], text: str, route: str = "") -> list[JudgedText]:
    """By all that hold for the route."""
    judged = []
    for guardrail in guardrails:
        if guardrail.holds_for(route):
            verdict = guardrail._decide(guardrail._check.judge_request, [text])
            judged.append(JudgedText(guardrail.name, verdict.action, verdict.reason))
    return judged
