"""Keeps the texts of an exchange where a rule says so; whatever fails in it, the answer goes out as it would.

Stands in one of two places, by the form that a rule asks for: inside the guards, where texts are as the model sees
them and writes them (`masked`), or outside, where they are as the client sent them and gets them (`as_sent`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from steward.core.captures import CapturedContent, CapturedExchange, CaptureForm
from steward.gateway.answer import Answer, join_filters
from steward.gateway.answer_reader import UNREADABLE, AnswerReader
from steward.gateway.capture import (
    CONSENT_HEADER,
    AnswerTexts,
    CapturePlan,
    CaptureRule,
    choose_rule,
    make_content,
    read_consent,
)
from steward.gateway.exchange import Exchange, Handler, Middleware

SkipReason = Literal["too_long", "unread", "unmasked", "unreadable", "spool_full", "disk_full"]


class CaptureSpool(Protocol):
    """Where captured exchanges go."""

    def keep(self, record: CapturedExchange, content: CapturedContent) -> None:
        """Seal and write; never raises, and counts what could not be written."""
        ...

    def count_skipped(self, reason: SkipReason, purpose: str) -> None:
        """A rule chose an exchange that is not kept, and why."""
        ...


def capture(
    form: CaptureForm, plan: CapturePlan, spool: CaptureSpool, is_masked: Callable[[Exchange], bool]
) -> Middleware:
    """`is_masked` says whether the guards mask anything in an exchange."""
    version = plan.version

    def wrap(inner: Handler) -> Handler:
        if all(rule.form != form for rule in plan.rules):
            return inner

        async def handle(exchange: Exchange) -> Answer:
            consent = read_consent(exchange.headers.get(CONSENT_HEADER))
            unit = exchange.conversation or exchange.request_id
            rule = choose_rule(plan.rules, exchange.route, exchange.project, consent, unit)
            if rule is None or rule.form != form:
                return await inner(exchange)
            if (reason := find_obstacle(exchange, rule, plan, is_masked)) is not None:
                spool.count_skipped(reason, rule.purpose)
                return await inner(exchange)
            taken = _Capture(exchange, rule, consent, version, spool, plan.max_exchange_bytes)
            answer = await inner(exchange)
            if answer.stream is not None:
                answer.stream.filter = join_filters(answer.stream.filter, taken)
                stream = answer.stream
                exchange.when_ended(
                    answer, lambda: taken.finish(stream.ended and not (exchange.failed or exchange.truncated))
                )
            elif answer.status == 200:
                taken.read_answer(answer.body)
                taken.finish(True)
            return answer

        return handle

    return wrap


def find_obstacle(
    exchange: Exchange, rule: CaptureRule, plan: CapturePlan, is_masked: Callable[[Exchange], bool]
) -> SkipReason | None:
    """Why an exchange cannot be kept as the rule asks for. Masked means that the guards have read and masked all."""
    if len(exchange.body) > plan.max_exchange_bytes:
        return "too_long"
    if rule.form == "masked":
        if not is_masked(exchange) or any(word.endswith("=allow(failed)") for word in exchange.guards):
            return "unmasked"
        if any(word.startswith("unread=") for word in exchange.guards):
            return "unread"
    return None


class _Capture(AnswerReader):
    """One exchange on its way to the spool."""

    def __init__(
        self,
        exchange: Exchange,
        rule: CaptureRule,
        consent: bool | None,
        version: str,
        spool: CaptureSpool,
        most_bytes: int,
    ) -> None:
        super().__init__(exchange.endpoint, AnswerTexts(most_bytes - len(exchange.body)))
        self._exchange, self._rule, self._consent, self._version = exchange, rule, consent, version
        self._spool, self._request = spool, exchange.body

    def finish(self, complete: bool) -> None:
        if self._texts.too_long:
            self._spool.count_skipped("too_long", self._rule.purpose)
            return
        try:
            content = make_content(self._request, self._texts)
        except UNREADABLE:
            self._readable = False
        if not self._readable:
            self._spool.count_skipped("unreadable", self._rule.purpose)
            return
        exchange = self._exchange
        record = CapturedExchange(
            request_id=exchange.request_id,
            at=exchange.at,
            key_id=exchange.caller.principal.account,
            tenant=exchange.tenant,
            project=exchange.project,
            endpoint=exchange.endpoint,
            route=exchange.route,
            model=exchange.model,
            streamed=exchange.streamed,
            subject=exchange.subject,
            conversation=exchange.conversation,
            purpose=self._rule.purpose,
            consent=self._consent,
            form=self._rule.form,
            rules_version=self._version,
            expires_at=exchange.at + self._rule.keep_s,
            complete=complete,
            sealed=b"",
        )
        self._spool.keep(record, content)
