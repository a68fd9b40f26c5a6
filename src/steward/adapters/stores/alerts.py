"""Alerts, silences and notices in the store, so that a restart repeats nothing and forgets nothing."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec
import sqlalchemy as sa

from steward.adapters.stores.database import Database, insert_rows
from steward.adapters.stores.tables import alerts, counters, notices, rule_states, silences
from steward.core.alerts import (
    FALLBACK_ATTEMPTS,
    MAX_ATTEMPTS,
    OUTSIDE_ID,
    Alert,
    ChannelState,
    Notice,
    RuleState,
    Silence,
    wait_s,
)

_WATCHED: Final = "alerts.watched"
_HEARD: Final = "alerts.heard."  # and the id of an alert of another system: when it was last reported
_REFUSALS_READ: Final = 200  # of the newest notices that were refused


class SqlAlerts:
    """`core.stores.AlertStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, alert: Alert) -> None:
        with self._database.write() as connection:
            self._put(connection, alert)

    def _put(self, connection: sa.Connection, alert: Alert) -> None:
        row = {**msgspec.structs.asdict(alert), "scopes": msgspec.json.encode(alert.scopes).decode()}
        insert = self._database.insert(alerts).values(row)
        changed = {name: row[name] for name in ("evidence", "scopes", "value", "expected", "ended_at")}
        connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_=changed))

    def list_alerts(
        self, limit: int | None = None, open_only: bool = False, outside: bool | None = None
    ) -> list[Alert]:
        query = sa.select(alerts).order_by(alerts.c.started_at.desc(), alerts.c.id).limit(limit)
        if open_only:
            query = query.where(alerts.c.ended_at.is_(None))
        if outside is not None:
            is_outside = alerts.c.id.startswith(OUTSIDE_ID)
            query = query.where(is_outside if outside else ~is_outside)
        with self._database.read() as connection:
            return [_read_alert(row) for row in connection.execute(query).mappings()]

    def find_alert(self, alert_id: str) -> Alert | None:
        with self._database.read() as connection:
            row = connection.execute(sa.select(alerts).where(alerts.c.id == alert_id)).mappings().one_or_none()
        return None if row is None else _read_alert(row)

    def hear(self, alert: Alert, at: float) -> None:
        name = _HEARD + alert.id
        heard = self._database.insert(counters).values(name=name, value=int(at))
        with self._database.write() as connection:
            self._put(connection, alert)
            if alert.ended_at is None:
                connection.execute(heard.on_conflict_do_update(index_elements=["name"], set_={"value": int(at)}))
            else:
                connection.execute(sa.delete(counters).where(counters.c.name == name))

    def end_unheard(self, before: float, at: float) -> int:
        late = sa.select(counters.c.name).where(counters.c.name.startswith(_HEARD), counters.c.value < int(before))
        with self._database.write() as connection:
            names = list(connection.execute(late).scalars())
            ids = [name.removeprefix(_HEARD) for name in names]
            ended = sa.update(alerts).where(alerts.c.id.in_(ids), alerts.c.ended_at.is_(None)).values(ended_at=at)
            count = connection.execute(ended).rowcount
            connection.execute(sa.delete(counters).where(counters.c.name.in_(names)))
        return count

    def acknowledge(self, alert_id: str, by: str, at: float) -> Alert | None:
        change = (
            sa.update(alerts)
            .where(alerts.c.id == alert_id, alerts.c.ended_at.is_(None))
            .values(acknowledged_by=by, acknowledged_at=at)
        )
        with self._database.write() as connection:
            row = connection.execute(change.returning(*alerts.c)).mappings().one_or_none()
        return None if row is None else _read_alert(row)

    def read_watched(self) -> int | None:
        query = sa.select(counters.c.value).where(counters.c.name == _WATCHED)
        with self._database.read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def write_watched(self, minute: int) -> None:
        insert = self._database.insert(counters).values(name=_WATCHED, value=minute)
        with self._database.write() as connection:
            connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_={"value": minute}))

    def add_silence(self, silence: Silence) -> None:
        with self._database.write() as connection:
            insert_rows(connection, silences, [msgspec.structs.asdict(silence)])

    def list_silences(self, now: float) -> list[Silence]:
        query = sa.select(silences).where(silences.c.ends_at > now).order_by(silences.c.ends_at, silences.c.id)
        with self._database.read() as connection:
            return [Silence(**row) for row in connection.execute(query).mappings()]

    def end_silence(self, silence_id: str, at: float) -> bool:
        change = sa.update(silences).where(silences.c.id == silence_id, silences.c.ends_at > at).values(ends_at=at)
        with self._database.write() as connection:
            return connection.execute(change).rowcount == 1

    def add_notices(self, new_notices: list[Notice]) -> None:
        with self._database.write() as connection:
            insert_rows(connection, notices, [msgspec.structs.asdict(notice) for notice in new_notices])

    def list_notices(self, alert_id: str) -> list[Notice]:
        query = sa.select(notices).where(notices.c.alert_id == alert_id).order_by(notices.c.created_at, notices.c.id)
        with self._database.read() as connection:
            return [Notice(**row) for row in connection.execute(query).mappings()]

    def due_notices(self, now: float) -> list[Notice]:
        query = (
            sa.select(notices)
            .where(notices.c.delivered_at.is_(None), notices.c.next_at <= now, notices.c.attempts < MAX_ATTEMPTS)
            .order_by(notices.c.created_at, notices.c.id)
        )
        with self._database.read() as connection:
            return [Notice(**row) for row in connection.execute(query).mappings()]

    def put_notice(self, notice: Notice) -> None:
        row = msgspec.structs.asdict(notice)
        change = sa.update(notices).where(notices.c.id == notice.id)
        with self._database.write() as connection:
            connection.execute(
                change.values({name: row[name] for name in ("attempts", "next_at", "delivered_at", "error")})
            )

    def read_channel_states(self) -> list[ChannelState]:
        last = sa.select(notices.c.channel, sa.func.max(notices.c.delivered_at)).group_by(notices.c.channel)
        refused = (
            sa.select(notices.c.channel, notices.c.next_at, notices.c.attempts, notices.c.error)
            .where(notices.c.delivered_at.is_(None), notices.c.attempts >= FALLBACK_ATTEMPTS)
            .order_by(notices.c.created_at.desc(), notices.c.id)
            .limit(_REFUSALS_READ)
        )
        with self._database.read() as connection:
            states = {
                name: ChannelState(channel=name, delivered_at=at)
                for name, at in connection.execute(last.order_by("channel"))
            }
            for name, next_at, attempts, error in connection.execute(refused):
                at = next_at - wait_s(attempts)
                if at > (states[name].refused_at or 0.0):
                    states[name] = msgspec.structs.replace(states[name], refused_at=at, error=error)
        return list(states.values())

    def put_rule_states(self, states: list[RuleState], rules: Collection[str]) -> None:
        row = self._database.insert(rule_states)
        changed = {name: row.excluded[name] for name in ("state", "why", "at")}
        with self._database.write() as connection:
            connection.execute(sa.delete(rule_states).where(rule_states.c.rule.not_in(list(rules))))
            if states:
                values = [msgspec.structs.asdict(state) for state in states]
                connection.execute(row.on_conflict_do_update(index_elements=["rule"], set_=changed), values)

    def list_rule_states(self) -> list[RuleState]:
        with self._database.read() as connection:
            rows = connection.execute(sa.select(rule_states).order_by(rule_states.c.rule)).mappings()
            return [RuleState(**row) for row in rows]

    def delete_before(self, at: float) -> int:
        ended = sa.select(alerts.c.id).where(alerts.c.ended_at < at)
        with self._database.write() as connection:
            connection.execute(sa.delete(notices).where(notices.c.alert_id.in_(ended)))
            connection.execute(sa.delete(notices).where(notices.c.kind == "test", notices.c.created_at < at))
            connection.execute(sa.delete(silences).where(silences.c.ends_at < at))
            return connection.execute(sa.delete(alerts).where(alerts.c.ended_at < at)).rowcount


def _read_alert(row: sa.RowMapping) -> Alert:
    return Alert(**{**row, "scopes": msgspec.json.decode(row["scopes"], type=tuple[str, ...])})
