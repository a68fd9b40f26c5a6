"""The section `guards` of steward.yaml."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal

import msgspec
from pydantic import Field, model_validator

from steward.configuration.section import Section, check_no_credentials
from steward.core.errors import UnknownName
from steward.guardrails.plan import Arguments, Direction, GuardrailPlan, Kind, Mode

_COMMON: Final = frozenset({"kind", "name", "mode", "routes", "on_error", "budget_ms"})
_USED: Final[dict[Kind, frozenset[str]]] = {
    "injection": frozenset(),
    "secrets": frozenset(),
    "canary": frozenset({"words", "insert"}),
    "words": frozenset({"words", "reads"}),
    "length": frozenset({"request_chars", "answer_chars"}),
    "links": frozenset({"hosts"}),
    "tools": frozenset({"tools", "arguments"}),
    "grounding": frozenset(),
    "numbers": frozenset({"least_number"}),
    "disclosure": frozenset({"text"}),
    "service": frozenset({"url", "key", "reads"}),
    "model": frozenset({"url", "key", "model", "reads"}),
}
_NEEDED: Final[dict[Kind, tuple[str, ...]]] = {"words": ("words",), "disclosure": ("text",),
                                             "service": ("url",), "model": ("url", "model")}  # fmt: skip
_LEAST_CANARY: Final = 8  # characters; a shorter one would be found by chance


class GuardConfig(Section):
    """One guard beside that of personal data."""

    kind: Kind = Field(
        description="injection: signs of other orders in a request; secrets: keys and passwords, refused in requests "
        "and taken out of answers; canary: `words` that only a system prompt has, or one that "
        "`insert` puts there, in answers; words: `words` that "
        "nobody may write; length: too many characters; links: addresses of other hosts than `hosts` are taken out of "
        "answers; tools: only `tools` may be called; grounding: an answer must quote what the request supplied; "
        "numbers: an answer's numbers must stand in the request; disclosure: `text` ends every answer; service: `url` "
        "judges; model: `model` judges as Llama Guard does, served at `url`"
    )
    name: str = Field("", pattern=r"^[a-z0-9_-]{0,40}$", description="what receipts call it; its kind by default")
    mode: Mode = Field(
        "block",
        description="observe: the receipt says what it found; warn: so does the gateway's log; block: the request is "
        "refused, or the answer ends",
    )
    routes: list[str] = Field([], description="the routes that it holds for; all by default")
    on_error: Literal["block", "allow"] = Field("block", description="when it fails: block, or let pass")
    budget_ms: float = Field(0.0, ge=0, description="how long it may take; longer is a failure; 0: any time")
    words: list[str] = Field([], description="words, canary: what is looked for; `*` ends a word for any ending")
    reads: Direction = Field(
        "both", description="words: where they are looked for; service, model: what they judge, requests by default"
    )
    insert: bool = Field(
        False, description="canary: put one of steward's own into the system message of each request of `routes`"
    )
    hosts: list[str] = Field([], description="links: hosts, with their subdomains, that answers may name")
    tools: list[str] = Field([], description="tools: those that a model may call")
    arguments: Arguments = Field(
        "any",
        description="tools: declared: arguments fit the JSON schema that the request declares for the tool; without "
        "`tools` any declared tool may be called",
    )
    request_chars: int = Field(0, ge=0, description="length: characters of a request's texts together; 0: any")
    answer_chars: int = Field(0, ge=0, description="length: characters of an answer's text; 0: any")
    least_number: float = Field(10.0, ge=0, description="numbers: those below may be the answer's own")
    text: str = Field("", max_length=2000, description="disclosure: what answers end with")
    url: str = Field("", description="service: address that is posted {direction, texts}; model: of chat completions")
    key: str = Field("", description="service, model: reference to the bearer token, such as env:GUARD_KEY")
    model: str = Field("", description="model: name of the judging model; `routes` must not have it")

    @model_validator(mode="after")
    def _check_used(self) -> GuardConfig:
        useless = sorted(self.model_fields_set - _COMMON - _USED[self.kind])
        if useless:
            used = ", ".join(sorted(_USED[self.kind])) or "nothing more"
            raise ValueError(f"{useless[0]}: without effect for kind {self.kind}, which takes {used}; leave it out")
        for name in _NEEDED.get(self.kind, ()):
            if not getattr(self, name):
                raise ValueError(f"{name}: kind {self.kind} needs it; say what it looks for or writes")
        if self.kind == "canary" and not (self.words or self.insert):
            raise ValueError("kind canary needs words that your system prompt has, or insert: true to put one in")
        if any(not word.strip("* ") for word in self.words):
            raise ValueError("words: an empty one would be found everywhere; leave it out")
        if self.kind == "canary" and (short := [word for word in self.words if len(word) < _LEAST_CANARY]):
            raise ValueError(f"words: a canary of {len(short[0])} characters; expected {_LEAST_CANARY} or more")
        if self.kind == "length" and not (self.request_chars or self.answer_chars):
            raise ValueError("kind length needs request_chars or answer_chars; say how many characters are allowed")
        self._check_external()
        return self

    def _check_external(self) -> None:
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url: {self.url!r}; expected an address that begins with http:// or https://")
        check_no_credentials(self.url)
        if self.key and not self.key.startswith(("env:", "file:")):
            raise ValueError("key: expected a reference, env:NAME or file:PATH, never the token itself")
        if self.kind == "model" and (not self.routes or self.model in self.routes):
            raise ValueError(
                f"routes: the judging model would be judged by itself; name the routes to guard, without {self.model}"
            )

    def plan(self, served: Collection[str] | None = None) -> GuardrailPlan:
        """:raises UnknownName: a route that is not served"""
        for route in self.routes:
            if served is not None and route not in served:
                raise UnknownName("model or route (in guards)", route, served)
        values = {field: getattr(self, field) for field in GuardrailPlan.__struct_fields__}
        if self.kind in ("service", "model") and "reads" not in self.model_fields_set:
            values["reads"] = "requests"
        return msgspec.convert(values | {"name": self.name or self.kind}, GuardrailPlan)
