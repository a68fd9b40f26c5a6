"""The guard that keeps personal data from the models: pseudonyms on the way in, values on the way out.

Finds what the detectors find (`scan.py`) and does what the policy says. Knows nothing of dialects, streams or JSON,
which the gateway undoes before and redoes after. What it remembers of an exchange lives as long as the exchange object
and no longer; of texts that come again, such as the turns of a conversation, it knows where finds stand, by a keyed
digest, and nothing that anybody wrote.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

import msgspec

from steward.core.errors import describe_origin
from steward.core.extend import Guard, GuardContext, PortableGuard, Verdict
from steward.privacy.custom import NO_DETECTORS, CustomDetectors
from steward.privacy.entities import KINDS, LABELS, label_entity
from steward.privacy.finding import PersonalFinding
from steward.privacy.policy import Actions, PrivacyPolicy, change_value
from steward.privacy.pseudonyms import Change, Pseudonyms, TokenKey, TokenMaker, WayBack, mask
from steward.privacy.scan import scan_text
from steward.privacy.surrogates import SurrogateMaker, Surrogates
from steward.privacy.url_context import UrlContext

log = logging.getLogger(__name__)

DETECTORS: Final = 6  # changes when they find something else
MOST_VALUES: Final = 20_000  # different ones in a request: each must be known while its answer comes

_SHORT: Final = 64  # characters of a field that may come again


def make_guard(policy: PrivacyPolicy, key: bytes, custom: CustomDetectors | None = None) -> Guard:
    """The guard of a policy; `key` (32 bytes) is the deployment's and makes its tokens nobody else's. `custom`: the
    policy's own detectors, opened; needed where one is a function or a service."""
    strict = PrivacyGuard(policy, key, custom)
    return LenientGuard(strict) if policy.on_error == "allow" else strict


class _Rules:
    """What a policy's actions say, worked out once for all the requests that they hold for."""

    __slots__ = ("_actions", "blocked", "entities", "pseudonymise")

    def __init__(self, actions: Actions) -> None:
        self._actions = actions
        self.entities = frozenset(actions)
        self.blocked = frozenset(entity for entity, action in actions.items() if action == "block")
        self.pseudonymise = all(action in ("pseudonymise", "block") for action in actions.values())

    def make_change(self, key: bytes) -> Change:
        """What becomes of a value, where not each becomes a token."""
        return lambda entity, value: (
            None
            if self._actions[entity] == "pseudonymise"
            else change_value(self._actions[entity], entity, value, key, time.gmtime().tm_year)
        )


class _ExchangeState:
    """One exchange: its tokens, what each text of the answer holds back, and what has come of it."""

    __slots__ = ("contexts", "held", "pseudonyms")

    def __init__(self, pseudonyms: WayBack) -> None:
        self.pseudonyms = pseudonyms
        self.held: dict[tuple[int, str], str] = {}
        self.contexts: dict[tuple[int, str], UrlContext] = {}


class PrivacyGuard:
    """A failure in it is an exception, which blocks."""

    name = "privacy"

    def __init__(self, policy: PrivacyPolicy, key: bytes, custom: CustomDetectors | None = None) -> None:
        self._policy, self._key = policy, key
        if custom is None or not custom:
            custom = CustomDetectors(policy.detectors) if policy.detectors else NO_DETECTORS
        self._custom = custom
        self.waits = custom.waits
        self.version = f"{DETECTORS}.{hashlib.sha256(msgspec.json.encode(policy)).hexdigest()[:6]}"
        rules = (policy.actions, *policy.routes.values(), *policy.keys.values())
        self._rules = {id(actions): _Rules(actions) for actions in rules}  # which the policy keeps alive
        self._seen = SeenTexts()
        self._token_key = TokenKey(key)
        self._open_maker = SurrogateMaker if policy.surrogates else TokenMaker
        self._open_back: Callable[[Mapping[str, str]], WayBack] = Surrogates if policy.surrogates else Pseudonyms
        self._states: WeakKeyDictionary[GuardContext, _ExchangeState] = WeakKeyDictionary()

    def request(self, exchange: GuardContext, fields: Sequence[str]) -> Verdict:
        actions = self._policy.choose_actions(exchange.route, exchange.key_id)
        if not actions:
            return Verdict("allow", "off")
        rules = self._rules[id(actions)]
        if self._custom is NO_DETECTORS:
            findings, without = _scan_fields(fields, rules.entities, NO_DETECTORS, self._seen), ""
        else:
            custom = self._custom.watch()
            findings = _scan_fields(fields, rules.entities, custom)
            without = f"without {' and '.join(custom.failed)}, which failed" if custom.failed else ""
        counts: dict[str, int] = {}
        for row in findings:
            for finding in row:
                entity = finding.entity
                counts[entity] = counts.get(entity, 0) + 1
        if not counts:
            return Verdict("allow", without)
        if not rules.blocked.isdisjoint(counts):
            refused = sorted(rules.blocked.intersection(counts))
            kind = KINDS[refused[0]]
            return Verdict(
                "block", f"the request contains {kind.phrase} (privacy.actions.{label_entity(kind.name)}: block)"
            )
        return self._rewrite(exchange, fields, findings, rules, counts, without)

    def _rewrite(
        self,
        exchange: GuardContext,
        fields: Sequence[str],
        findings: Sequence[Sequence[PersonalFinding]],
        rules: _Rules,
        counts: Mapping[str, int],
        reason: str,
    ) -> Verdict:
        if sum(counts.values()) > MOST_VALUES and _count_values(fields, findings) > MOST_VALUES:
            return Verdict("block", f"the request contains more than {MOST_VALUES:,} different personal values")
        masked, back = mask(
            fields,
            findings,
            self._open_maker(self._token_key, token_scope(exchange)).make_token,
            None if rules.pseudonymise else rules.make_change(self._key),
            self._open_back,
        )
        self._states[exchange] = _ExchangeState(back)
        return Verdict("rewrite", reason, masked, {LABELS[entity]: count for entity, count in counts.items()})

    def delta(self, exchange: GuardContext, choice: int, field: str, text: str, last: bool) -> str:
        state = self._states.get(exchange)
        if state is None:
            return text
        place = choice, field
        context = state.contexts.pop(place, None)
        if context is None and not last:
            context = UrlContext()
        out, held = state.pseudonyms.feed(state.held.pop(place, "") + text, last, context)
        if context is not None and not last:
            state.contexts[place] = context
        if held:
            state.held[place] = held
        return out

    def close(self, exchange: GuardContext) -> Verdict:
        return Verdict("allow")

    def __reduce__(self) -> tuple[Any, ...]:
        """Without what it remembers, which `recall` tells."""
        return PrivacyGuard, (self._policy, self._key, self._custom or None)

    def recall(self, exchange: GuardContext) -> Any:
        state = self._states.get(exchange)
        return None if state is None else state.pseudonyms

    def remember(self, exchange: GuardContext, memory: Any) -> None:
        if memory is not None:
            self._states[exchange] = _ExchangeState(memory)


class SeenTexts:
    """Where finds stand in texts that were looked at lately: a conversation comes again with each of its turns, and a
    system prompt with each request. Kept are digests under a key that nobody else has, and places; no text."""

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(
            key=os.urandom(32), digest_size=16
        )  # copied for each text: setting it up takes as long
        self._rows: OrderedDict[tuple[bytes, frozenset[str]], list[PersonalFinding]] = OrderedDict()

    def scan(self, text: str, entities: frozenset[str]) -> list[PersonalFinding]:
        """As `scan_text` does, which is not asked again for a text of late."""
        state = self._digest.copy()
        state.update(text.encode("utf-8", "surrogatepass"))
        place = state.digest(), entities
        row = self._rows.get(place)
        if row is None:
            row = scan_text(text, entities)
            if len(row) <= _MOST_FINDS:
                self._rows[place] = row
                if len(self._rows) > _MOST_SEEN:
                    self._rows.popitem(last=False)
        return row


_MOST_SEEN: Final = 1024
_MOST_FINDS: Final = 64  # of a text that is remembered


def _count_values(fields: Sequence[str], findings: Sequence[Sequence[PersonalFinding]]) -> int:
    pairs = zip(fields, findings, strict=True)
    return len({text[one.start : one.end] for text, row in pairs for one in row})


def _scan_fields(
    fields: Sequence[str], entities: frozenset[str], custom: CustomDetectors, seen: SeenTexts | None = None
) -> list[list[PersonalFinding]]:
    """What each field has. Short ones come again and again in a body of many, and are looked at once."""
    known: dict[str, list[PersonalFinding]] = {}
    rows: list[list[PersonalFinding]] = []
    for text in fields:
        row = known.get(text) if len(text) <= _SHORT else None
        if row is None:
            if seen is not None and len(text) > _SHORT:
                row = seen.scan(text, entities)
            else:
                row = scan_text(text, entities, custom=custom)
            if len(text) <= _SHORT and len(known) < MOST_VALUES:
                known[text] = row
        rows.append(row)
    return rows


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
        self.version: str = getattr(inner, "version", "")
        self.waits: bool = getattr(inner, "waits", False)
        self._inner = inner

    def __reduce__(self) -> tuple[Any, ...]:
        """For large texts, which another process reads: compiled, no class is copied without it."""
        return LenientGuard, (self._inner,)

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
