"""What a guardrail is told to do, as workers read it; and the rule that each kind is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Final, Literal, get_args

import msgspec

from steward.core.errors import InputError
from steward.core.extend import TextJudge
from steward.guardrails.check import GuardCheck
from steward.guardrails.external import ExternalCheck
from steward.guardrails.injection import InjectionCheck
from steward.guardrails.leaks import LinksCheck, SecretsCheck
from steward.guardrails.sources import DisclosureCheck, GroundingCheck, NumbersCheck, ToolsCheck
from steward.guardrails.words import CanaryCheck, LengthCheck, WordsCheck

Kind = Literal[
    "injection", "secrets", "canary", "words", "length", "links", "tools", "grounding", "numbers", "disclosure",
    "service", "model",
]  # fmt: skip
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
Mode = Literal["observe", "warn", "block"]
Arguments = Literal["any", "declared"]
Direction = Literal["both", "requests", "answers"]


class GuardrailPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `guards:`. What its kind does not use has no effect and is refused by the configuration."""

    kind: Kind
    name: str
    mode: Mode = "block"
    routes: tuple[str, ...] = ()  # none: all
    on_error: Literal["block", "allow"] = "block"
    budget_ms: float = 0.0  # 0: any time
    words: tuple[str, ...] = ()
    insert: bool = False
    reads: Direction = "both"
    hosts: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    arguments: Arguments = "any"
    request_chars: int = 0
    answer_chars: int = 0
    least_number: float = 10.0
    text: str = ""
    url: str = ""
    key: str = ""  # a reference to the bearer token that `url` wants
    model: str = ""

    @property
    def is_external(self) -> bool:
        """Whether another program judges."""
        return self.kind in ("service", "model")

    @property
    def digest(self) -> str:
        """Six hex digits that change with the entry."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:6]


_MAKE: Final[Mapping[Kind, Callable[[GuardrailPlan], GuardCheck]]] = {
    "injection": lambda plan: InjectionCheck(),
    "secrets": lambda plan: SecretsCheck(),
    "canary": lambda plan: CanaryCheck(plan.words),
    "words": lambda plan: WordsCheck(plan.words, plan.reads != "answers", plan.reads != "requests"),
    "length": lambda plan: LengthCheck(plan.request_chars, plan.answer_chars),
    "links": lambda plan: LinksCheck(plan.hosts),
    "tools": lambda plan: ToolsCheck(plan.tools, plan.arguments == "declared"),
    "grounding": lambda plan: GroundingCheck(),
    "numbers": lambda plan: NumbersCheck(plan.least_number),
    "disclosure": lambda plan: DisclosureCheck(plan.text),
}


def make_check(plan: GuardrailPlan, judge: TextJudge | None = None) -> GuardCheck:
    """:raises InputError: another program judges, and it was not opened"""
    if not plan.is_external:
        return _MAKE[plan.kind](plan)
    if judge is None:
        raise InputError(f"guards: {plan.name} was not opened, so that nobody would judge for it")
    return ExternalCheck(judge, plan.reads != "answers", plan.reads != "requests")
