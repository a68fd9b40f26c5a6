"""What comes from the ledger's files: taken in exactly once.

Rows and the segment's new offset commit in one transaction, so a keeper killed between batches repeats nothing and
skips nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import sqlalchemy as sa

from steward.adapters.stores.bulk_insert import insert_new
from steward.adapters.stores.captures import make_capture_rows
from steward.adapters.stores.database import Database, compile_for_driver, encode_list, has_one_of, insert_rows
from steward.adapters.stores.feedback import make_feedback_rows
from steward.adapters.stores.gauges import add_gauges
from steward.adapters.stores.keys import note_uses
from steward.adapters.stores.meters import add_counts
from steward.adapters.stores.minutes import add_minutes, sum_ratings
from steward.adapters.stores.reactions import add_reactions, take_in_reactions
from steward.adapters.stores.series import add_series
from steward.adapters.stores.tables import (
    captures,
    drained,
    exchanges,
    feedback,
    outstanding,
    request_features,
    traces,
)
from steward.core.captures import CapturedExchange
from steward.core.gauges import count_verdicts
from steward.core.meters import MeterKey, count_exchanges
from steward.core.minutes import SHADOW, sum_exchanges
from steward.core.reactions import PER_PERSON, count_reactions
from steward.core.records import Admitted, Feedback, LedgerRecord, Settled, Tally
from steward.core.series import KnownGroups, collect_places
from steward.core.traces import TracePolicy, choose_traces

_encode = msgspec.msgpack.Encoder().encode
_admitted = msgspec.msgpack.Decoder(Admitted)


class _LedgerPart:
    """Records by their kind."""

    def __init__(self, records: Sequence[LedgerRecord]) -> None:
        self.admits: dict[str, Admitted] = {}
        self.settles: dict[str, Settled] = {}
        self.received: list[Feedback] = []
        self.captured: list[CapturedExchange] = []
        self.tallies: list[Tally] = []
        for record in records:
            match record:
                case Admitted():
                    self.admits[record.request_id] = record
                case Settled():
                    self.settles[record.request_id] = record
                case Feedback():
                    self.received.append(record)
                case CapturedExchange():
                    self.captured.append(record)
                case Tally():
                    self.tallies.append(record)


class SqlLedger:
    """`core.stores.LedgerStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._policy: TracePolicy | None = None
        self._per_person = PER_PERSON
        self._known = KnownGroups()

    def keep_traces(self, policy: TracePolicy | None) -> None:
        self._policy = policy

    def limit_ratings(self, per_person: int) -> None:
        self._per_person = per_person

    def offsets(self) -> dict[str, int]:
        with self._database.read() as connection:
            rows = connection.execute(sa.select(drained.c.segment, drained.c.offset))
            return {row.segment: row.offset for row in rows}

    def drain(self, writer: str, segment: str, offset_to: int, records: Sequence[LedgerRecord]) -> int:
        part = _LedgerPart(records)
        admits, settles = part.admits, part.settles
        with self._database.write() as connection:
            before = self._hold_segment(connection, segment)
            known = admits | _take_outstanding(connection, settles.keys() - admits.keys())
            rows = [
                _make_row(known[request_id], record) for request_id, record in settles.items() if request_id in known
            ]
            fresh = insert_new(connection, exchanges, rows)
            self._keep_traces(connection, fresh)
            insert_rows(connection, request_features, _make_feature_rows(fresh))
            insert_rows(connection, outstanding, _make_open_rows(writer, admits, settles))
            new = [row["id"] for row in insert_new(connection, feedback, make_feedback_rows(part.received))]
            insert_rows(connection, captures, make_capture_rows(part.captured))
            _add_up(connection, fresh, new, self._per_person, self._known)
            used: list[Admitted | Feedback] = [*admits.values(), *part.received]
            uses = [(record.key_id, record.tenant, record.at) for record in used]
            note_uses(connection, uses)
            counts = count_exchanges(fresh)
            if part.tallies and before < offset_to:
                counts = _add_tallies(counts, part.tallies)
            add_counts(connection, counts)
            connection.execute(sa.update(drained).where(drained.c.segment == segment).values(offset=offset_to))
        return len(rows)

    def settle_lost(self, writer: str, at: float) -> int:
        with self._database.write() as connection:
            gone = sa.delete(outstanding).where(outstanding.c.writer == writer).returning(outstanding.c.record)
            rows = [_make_lost_row(_admitted.decode(record), at) for record in connection.execute(gone).scalars()]
            fresh = insert_new(connection, exchanges, rows)
            self._keep_traces(connection, fresh)
            add_counts(connection, count_exchanges(fresh))
            _add_up(connection, fresh, (), self._per_person, self._known)
        return len(rows)

    def delete_segment(self, segment: str) -> None:
        with self._database.write() as connection:
            connection.execute(sa.delete(drained).where(drained.c.segment == segment))

    def _keep_traces(self, connection: sa.Connection, fresh: list[dict[str, Any]]) -> None:
        if self._policy is None:
            return
        kept = [
            {name: row[name] for name in ("request_id", "at", "tenant")} | {"kept_for": reason, "exported_at": None}
            for row, reason in choose_traces(fresh, self._policy)
        ]
        insert_rows(connection, traces, kept)

    def _hold_segment(self, connection: sa.Connection, segment: str) -> int:
        """How far the segment has been drained; until the transaction ends no other keeper drains it."""
        insert = self._database.insert(drained).values(segment=segment, offset=0)
        same = insert.on_conflict_do_update(index_elements=["segment"], set_={"offset": drained.c.offset})
        return int(connection.execute(same.returning(drained.c.offset)).scalar_one())


def _add_up(
    connection: sa.Connection,
    fresh: list[dict[str, Any]],
    fresh_feedback: Sequence[str],
    per_person: int,
    known: KnownGroups,
) -> None:
    """Add requests, and reactions that are matched now, to their minutes, series and days."""
    counting = take_in_reactions(connection, fresh_feedback, [row["request_id"] for row in fresh], per_person)
    add_minutes(connection, sum_exchanges(fresh))
    add_minutes(connection, sum_ratings(counting))
    add_series(connection, collect_places(fresh, counting), known)
    add_gauges(connection, count_verdicts(fresh))
    add_reactions(connection, count_reactions(fresh, counting))


def _take_outstanding(connection: sa.Connection, ids: Collection[str]) -> dict[str, Admitted]:
    """What was admitted in an earlier part, and is no longer open now that it has settled."""
    if not ids:
        return {}
    text = _compile_take(connection.dialect)
    records = connection.exec_driver_sql(text, (encode_list(connection.dialect, sorted(ids)),)).scalars()
    return {record.request_id: record for record in map(_admitted.decode, records)}


@lru_cache(maxsize=4)
def _compile_take(dialect: sa.Dialect) -> str:
    settled = has_one_of(dialect, outstanding.c.request_id, "ids")
    return compile_for_driver(sa.delete(outstanding).where(settled).returning(outstanding.c.record), dialect)[0]


def _make_open_rows(writer: str, admits: Mapping[str, Admitted], settles: Collection[str]) -> list[dict[str, Any]]:
    return [
        {"request_id": request_id, "tenant": admitted.tenant, "writer": writer, "record": _encode(admitted)}
        for request_id, admitted in admits.items()
        if request_id not in settles
    ]


def _add_tallies(counts: dict[MeterKey, float], tallies: Sequence[Tally]) -> dict[MeterKey, float]:
    """Tallies have no id: the segment's offset, kept in the same transaction, counts each once."""
    for tally in tallies:
        for labels, count in tally.counts:
            key = (tally.meter, labels, "")
            counts[key] = counts.get(key, 0.0) + count
    return counts


def _make_row(admitted: Admitted, settled: Settled) -> dict[str, Any]:
    return {
        "request_id": admitted.request_id,
        "at": admitted.at,
        "settled_at": settled.at,
        "key_id": admitted.key_id,
        "tenant": admitted.tenant,
        "project": admitted.project,
        "team": admitted.team,
        "endpoint": admitted.endpoint,
        "route": admitted.route,
        "model": settled.model,
        "model_version": settled.model_version,
        "prompt_version": admitted.prompt_version,
        "route_version": admitted.route_version,
        "streamed": admitted.streamed,
        "outcome": settled.outcome,
        "status": settled.status,
        "input_tokens": settled.input_tokens,
        "output_tokens": settled.output_tokens,
        "estimated": settled.estimated,
        "usd": settled.usd,
        "ttft_s": settled.ttft_s,
        "duration_s": settled.duration_s,
        "subject": admitted.subject,
        "conversation": admitted.conversation,
        "attempts": _encode(settled.attempts),
        "guards": ", ".join(settled.guards) if settled.guards else "",
        "upstream_id": settled.upstream_id and settled.upstream_id.replace("\0", "")[:200],  # PostgreSQL takes no NUL
        "units": _encode_counts(settled.units) if settled.units else None,
        "masked": _encode_counts(settled.masked) if settled.masked else None,
        "ready_s": settled.ready_s,
        "queued_s": settled.queued_s,
        "traceparent": settled.traceparent,
        "release_id": admitted.release,
        "arm": admitted.arm,
        "arm_weight": admitted.arm_weight,
        "judged": settled.judged,
        "features": settled.features,  # no column, nor are
        "calls": settled.attempts,  # those that "attempts" encodes
    }


def _make_feature_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of the requests that were sampled; copies of requests are none."""
    return [
        {
            "request_id": row["request_id"],
            "tenant": row["tenant"],
            "at": row["settled_at"],
            "model": row["model"] or "",
            "route": row["route"],
            "features": msgspec.json.encode(row["features"]).decode(),
        }
        for row in rows
        if row["features"] is not None and row["key_id"] != SHADOW
    ]


def _encode_counts(counts: dict[str, Any]) -> str:
    """As JSON, the same for the same counts, so that the store can group by it."""
    return msgspec.json.encode(counts, order="sorted").decode()


def _make_lost_row(admitted: Admitted, at: float) -> dict[str, Any]:
    settled = Settled(
        request_id=admitted.request_id,
        at=at,
        outcome="lost",
        status=500,
        model=None,
        input_tokens=admitted.reserved_input_tokens,
        output_tokens=admitted.reserved_output_tokens,
        usd=admitted.reserved_usd,
        estimated=True,
        duration_s=max(0.0, at - admitted.at),
    )
    return _make_row(admitted, settled)
