"""What comes from the ledger's files: taken in exactly once.

Rows and the segment's new offset commit in one transaction, so a keeper killed between batches repeats nothing and
skips nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from steward.adapters.stores.captures import make_capture_rows
from steward.adapters.stores.database import Database, insert_rows, split_parts
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
    key_uses,
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
from steward.core.series import collect_places
from steward.core.traces import TracePolicy, choose_reason

_encode = msgspec.msgpack.Encoder().encode
_admitted = msgspec.msgpack.Decoder(Admitted)


class SqlLedger:
    """`core.stores.LedgerStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._policy: TracePolicy | None = None
        self._per_person = PER_PERSON

    def keep_traces(self, policy: TracePolicy | None) -> None:
        self._policy = policy

    def limit_ratings(self, per_person: int) -> None:
        self._per_person = per_person

    def offsets(self) -> dict[str, int]:
        with self._database.read() as connection:
            rows = connection.execute(sa.select(drained.c.segment, drained.c.offset))
            return {row.segment: row.offset for row in rows}

    def drain(self, writer: str, segment: str, offset_to: int, records: Sequence[LedgerRecord]) -> int:
        admits = {record.request_id: record for record in records if isinstance(record, Admitted)}
        settles = {record.request_id: record for record in records if isinstance(record, Settled)}
        with self._database.write() as connection:
            before = self._hold_segment(connection, segment)
            waiting = [request_id for request_id in settles if request_id not in admits]
            known = {**admits, **_read_outstanding(connection, waiting)}
            rows = [
                _make_row(known[request_id], record) for request_id, record in settles.items() if request_id in known
            ]
            fresh = _insert_exchanges(connection, rows)
            self._keep_traces(connection, fresh)
            insert_rows(connection, request_features, _make_feature_rows(fresh))
            counts = count_exchanges(fresh)
            for part in split_parts(waiting):
                connection.execute(sa.delete(outstanding).where(outstanding.c.request_id.in_(part)))
            open_rows = [
                {
                    "request_id": request_id,
                    "tenant": admitted.tenant,
                    "writer": writer,
                    "record": _encode(admitted),
                }
                for request_id, admitted in admits.items()
                if request_id not in settles
            ]
            insert_rows(connection, outstanding, open_rows)
            received = [record for record in records if isinstance(record, Feedback)]
            new = _insert_feedback(connection, received)
            captured = [record for record in records if isinstance(record, CapturedExchange)]
            insert_rows(connection, captures, make_capture_rows(captured))
            _add_up(connection, fresh, new, self._per_person)
            used: list[Admitted | Feedback] = [*admits.values(), *received]
            uses = [(record.key_id, record.tenant, record.at) for record in used]
            note_uses(connection, self._database.insert(key_uses), uses)
            tallies = [record for record in records if isinstance(record, Tally)]
            if tallies and before < offset_to:
                counts = _add_tallies(counts, tallies)
            add_counts(connection, counts)
            connection.execute(sa.update(drained).where(drained.c.segment == segment).values(offset=offset_to))
        return len(rows)

    def settle_lost(self, writer: str, at: float) -> int:
        with self._database.write() as connection:
            gone = sa.delete(outstanding).where(outstanding.c.writer == writer).returning(outstanding.c.record)
            rows = [_make_lost_row(_admitted.decode(record), at) for record in connection.execute(gone).scalars()]
            fresh = _insert_exchanges(connection, rows)
            self._keep_traces(connection, fresh)
            add_counts(connection, count_exchanges(fresh))
            _add_up(connection, fresh, (), self._per_person)
        return len(rows)

    def delete_segment(self, segment: str) -> None:
        with self._database.write() as connection:
            connection.execute(sa.delete(drained).where(drained.c.segment == segment))

    def _keep_traces(self, connection: sa.Connection, fresh: list[dict[str, Any]]) -> None:
        if self._policy is None:
            return
        reasons = ((row, choose_reason(row, self._policy)) for row in fresh)
        kept = [
            {name: row[name] for name in ("request_id", "at", "tenant")} | {"kept_for": reason, "exported_at": None}
            for row, reason in reasons
            if reason is not None
        ]
        insert_rows(connection, traces, kept)

    def _hold_segment(self, connection: sa.Connection, segment: str) -> int:
        """How far the segment has been drained; until the transaction ends no other keeper drains it."""
        insert = self._database.insert(drained).values(segment=segment, offset=0)
        same = insert.on_conflict_do_update(index_elements=["segment"], set_={"offset": drained.c.offset})
        return int(connection.execute(same.returning(drained.c.offset)).scalar_one())


def _add_up(
    connection: sa.Connection, fresh: list[dict[str, Any]], fresh_feedback: Sequence[str], per_person: int
) -> None:
    """Add requests, and reactions that are matched now, to their minutes, series and days."""
    counting = take_in_reactions(connection, fresh_feedback, [row["request_id"] for row in fresh], per_person)
    add_minutes(connection, sum_exchanges(fresh))
    add_minutes(connection, sum_ratings(counting))
    add_series(connection, collect_places(fresh, counting))
    add_gauges(connection, count_verdicts(fresh))
    add_reactions(connection, count_reactions(fresh, counting))


def _insert_exchanges(connection: sa.Connection, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Insert settled exchanges; returns those that were not there yet."""
    there = _read_known(connection, exchanges.c.request_id, [row["request_id"] for row in rows])
    fresh = [row for row in rows if row["request_id"] not in there] if there else rows
    insert_rows(connection, exchanges, fresh)
    return fresh


def _insert_feedback(connection: sa.Connection, received: Sequence[Feedback]) -> list[str]:
    """Insert feedback; returns the ids that were not there yet."""
    there = _read_known(connection, feedback.c.id, [record.id for record in received])
    insert_rows(connection, feedback, make_feedback_rows(received))
    return [record.id for record in received if record.id not in there]


def _read_known(connection: sa.Connection, column: sa.Column[str], ids: Sequence[str]) -> set[str]:
    known: set[str] = set()
    for part in split_parts(ids):
        known.update(connection.execute(sa.select(column).where(column.in_(part))).scalars())
    return known


def _read_outstanding(connection: sa.Connection, ids: list[str]) -> dict[str, Admitted]:
    admitted: dict[str, Admitted] = {}
    for part in split_parts(ids):
        query = sa.select(outstanding.c.record).where(outstanding.c.request_id.in_(part))
        for row in connection.execute(query):
            record = _admitted.decode(row.record)
            admitted[record.request_id] = record
    return admitted


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
        "guards": ", ".join(settled.guards),
        "upstream_id": settled.upstream_id and settled.upstream_id.replace("\0", "")[:200],  # PostgreSQL takes no NUL
        "units": _encode_counts(settled.units),
        "masked": _encode_counts(settled.masked),
        "ready_s": settled.ready_s,
        "queued_s": settled.queued_s,
        "traceparent": settled.traceparent,
        "release_id": admitted.release,
        "arm": admitted.arm,
        "arm_weight": admitted.arm_weight,
        "judged": settled.judged,
        "features": settled.features,
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


def _encode_counts(counts: dict[str, Any]) -> str | None:
    """As JSON, the same for the same counts, so that the store can group by it."""
    return msgspec.json.encode(counts, order="sorted").decode() if counts else None


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
