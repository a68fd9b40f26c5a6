"""Who runs a periodic job of which there must be one at a time, however many keepers there are.

All times are the database's own, so that machines whose clocks differ agree.
"""

from __future__ import annotations

import sqlalchemy as sa

from steward.adapters.stores.database import Database
from steward.adapters.stores.tables import jobs

CLOCK_TOLERANCE_S = 5.0


class SqlJobs:
    """`core.stores.JobStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, name: str, holder: str, lease_s: float, period_s: float | None = None) -> bool:
        """Times further ahead than a lease or a period were written before the database's clock was set back."""
        now = self._database.clock()
        insert = self._database.insert(jobs).values(name=name, holder=holder, leased_until=now + lease_s, due_at=0.0)
        taken = insert.on_conflict_do_update(
            index_elements=["name"],
            set_={"holder": holder, "leased_until": now + lease_s},
            where=sa.and_(_has_come(jobs.c.due_at, now, period_s), _has_come(jobs.c.leased_until, now, lease_s)),
        )
        with self._database.write() as connection:
            return connection.execute(taken.returning(jobs.c.name)).one_or_none() is not None

    def finish(self, name: str, holder: str, next_in_s: float) -> bool:
        now = self._database.clock()
        change = (
            sa.update(jobs)
            .where(jobs.c.name == name, jobs.c.holder == holder, jobs.c.leased_until > now)
            .values(leased_until=0.0, due_at=now + next_in_s)
        )
        with self._database.write() as connection:
            return connection.execute(change).rowcount == 1

    def list_due(self) -> dict[str, float]:
        query = sa.select(jobs.c.name, jobs.c.due_at).where(jobs.c.due_at > 0.0).order_by(jobs.c.name)
        with self._database.read() as connection:
            return {row.name: row.due_at for row in connection.execute(query)}


def _has_come(at: sa.Column[float], now: float, longest_s: float | None) -> sa.ColumnElement[bool]:
    """Whether a time has come, or cannot be right."""
    come = at <= now
    return come if longest_s is None else sa.or_(come, at > now + longest_s + CLOCK_TOLERANCE_S)
