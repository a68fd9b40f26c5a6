"""The guard that keeps personal data from the models: pseudonyms on the way in, values on the way out.

Decides, by kind, whether a find is replaced by a token, removed, refused or let through. Knows nothing of dialects,
streams or JSON, which the gateway undoes before and redoes after. What it remembers of an exchange lives as
long as the exchange object and no longer.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal
from weakref import WeakKeyDictionary

import msgspec

from steward.core.errors import describe_origin
from steward.core.extend import Guard, GuardContext, PortableGuard, Verdict
from steward.privacy.detectors import Kind, PersonalSpan, find_personal_data
from steward.privacy.pseudonyms import LOOK_BACK, Pseudonyms, make_token, mask

log = logging.getLogger(__name__)

Action = Literal["pseudonymise", "redact", "block", "allow"]
KIND_NAMES: Final[Mapping[Kind, str]] = {
    "email": "an e-mail address",
    "phone": "a phone number",
    "payment_card": "a payment card number",
    "ip_address": "an IP address",
}


MOST_VALUES: Final = 20_000  # different ones in a request: each must be known while its answer comes


class PrivacyPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with each kind, and with a request when this guard fails."""

    email: Action
    phone: Action
    payment_card: Action
    ip_address: Action
    on_error: Literal["block", "allow"] = "block"

    def action(self, kind: Kind) -> Action:
        chosen: Action = getattr(self, kind)
        return chosen


def make_guard(policy: PrivacyPolicy, key: bytes) -> Guard:
    """The guard of a policy; `key` (32 bytes) is the deployment's and makes its tokens nobody else's."""
    strict = PrivacyGuard(policy, key)
    return LenientGuard(strict) if policy.on_error == "allow" else strict


class _ExchangeState:
    """One exchange: its tokens, and what each text of the answer holds back."""

    __slots__ = ("emitted", "held", "pseudonyms")

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self.pseudonyms = pseudonyms
        self.held: dict[tuple[int, str], str] = {}
        self.emitted: dict[tuple[int, str], str] = {}  # the end of each text so far


class PrivacyGuard:
    """A failure in it is an exception, which blocks."""

    name = "privacy"

    def __init__(self, policy: PrivacyPolicy, key: bytes) -> None:
        self._policy, self._key = policy, key
        self._states: WeakKeyDictionary[GuardContext, _ExchangeState] = WeakKeyDictionary()

    def request(self, exchange: GuardContext, fields: Sequence[str]) -> Verdict:
        spans_by_field = [find_personal_data(text) for text in fields]
        kinds = {span.kind for spans in spans_by_field for span in spans}
        if refused := sorted(kind for kind in kinds if self._policy.action(kind) == "block"):
            return Verdict(
                "block", f"the request contains {KIND_NAMES[refused[0]]} (privacy.actions.{refused[0]}: block)"
            )
        if all(self._policy.action(kind) == "allow" for kind in kinds):
            return Verdict("allow")
        scope = token_scope(exchange)
        pairs = zip(fields, spans_by_field, strict=True)
        if len({text[span.start : span.end] for text, spans in pairs for span in spans}) > MOST_VALUES:
            return Verdict("block", f"the request contains more than {MOST_VALUES:,} different personal values")
        masked, back = mask(
            fields,
            self._select_spans("pseudonymise", spans_by_field),
            self._select_spans("redact", spans_by_field),
            lambda kind, value, attempt: make_token(self._key, scope, kind, value, attempt),
        )
        self._states[exchange] = _ExchangeState(back)
        replaced: Counter[str] = Counter(
            span.kind for spans in spans_by_field for span in spans if self._policy.action(span.kind) != "allow"
        )
        return Verdict("rewrite", texts=masked, masked=dict(replaced))

    def delta(self, exchange: GuardContext, choice: int, field: str, text: str, last: bool) -> str:
        state = self._states.get(exchange)
        if state is None:
            return text
        before = state.emitted.pop((choice, field), "")
        out, held = state.pseudonyms.feed(state.held.pop((choice, field), "") + text, last, before)
        if not last:
            state.emitted[choice, field] = (before + out)[-LOOK_BACK:]
        if held:
            state.held[choice, field] = held
        return out

    def close(self, exchange: GuardContext) -> Verdict:
        return Verdict("allow")

    def __reduce__(self) -> tuple[Any, ...]:
        """Without what it remembers, which `recall` tells."""
        return PrivacyGuard, (self._policy, self._key)

    def recall(self, exchange: GuardContext) -> Any:
        state = self._states.get(exchange)
        return None if state is None else state.pseudonyms

    def remember(self, exchange: GuardContext, memory: Any) -> None:
        if memory is not None:
            self._states[exchange] = _ExchangeState(memory)

    def _select_spans(self, action: Action, found: Sequence[Sequence[PersonalSpan]]) -> list[list[PersonalSpan]]:
        return [[span for span in spans if self._policy.action(span.kind) == action] for spans in found]


def token_scope(exchange: GuardContext) -> tuple[str, str, str]:
    """Within what a value has one token: the project's conversation, else the request.

    Vectors of different requests are compared with each other, so embeddings share one scope in a project.
    """
    if exchange.conversation:
        return exchange.project, "conversation", exchange.conversation
    if exchange.endpoint == "/v1/embeddings":
        return exchange.project, "embeddings", ""
    return exchange.project, "request", exchange.request_id


class LenientGuard:
    """`on_error: allow`: what the guard inside cannot decide goes through as it came, and the header says so."""

    def __init__(self, inner: Guard) -> None:
        self.name = inner.name
        self._inner = inner

    def request(self, exchange: GuardContext, fields: Sequence[str]) -> Verdict:
        try:
            return self._inner.request(exchange, fields)
        except Exception as error:
            self._warn(exchange, error)
            return Verdict("allow", "failed")

    def delta(self, exchange: GuardContext, choice: int, field: str, text: str, last: bool) -> str:
        try:
            return self._inner.delta(exchange, choice, field, text, last)
        except Exception as error:
            self._warn(exchange, error)
            return text

    def close(self, exchange: GuardContext) -> Verdict:
        try:
            return self._inner.close(exchange)
        except Exception as error:
            self._warn(exchange, error)
            return Verdict("allow", "failed")

    def recall(self, exchange: GuardContext) -> Any:
        return self._inner.recall(exchange) if isinstance(self._inner, PortableGuard) else None

    def remember(self, exchange: GuardContext, memory: Any) -> None:
        if isinstance(self._inner, PortableGuard):
            self._inner.remember(exchange, memory)

    def _warn(self, exchange: GuardContext, error: Exception) -> None:
        """The kind of the failure only: its text may hold what somebody wrote."""
        log.warning("%s: guard %s failed (%s); on_error: allow", exchange.request_id, self.name, describe_origin(error))
