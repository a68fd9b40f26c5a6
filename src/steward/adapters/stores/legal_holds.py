"""Which rows a legal hold keeps, and the deletion of old rows that heeds it."""

from __future__ import annotations

import sqlalchemy as sa

from steward.adapters.stores.database import Database
from steward.adapters.stores.tables import exchanges, holds
from steward.core.rights import SweptRows
from steward.core.series import EVERYBODY


def is_held(table: sa.Table) -> sa.ColumnElement[bool]:
    """Whether a legal hold that is in force covers a row of a table that has a `tenant` and a `subject`."""
    return (
        sa.select(sa.literal(1))
        .where(
            holds.c.released_at.is_(None),
            holds.c.tenant == table.c.tenant,
            sa.or_(holds.c.subject.is_(None), holds.c.subject == table.c.subject),
        )
        .correlate(table)
        .exists()
    )


def is_request_held(table: sa.Table) -> sa.ColumnElement[bool]:
    """Whether a legal hold covers the request of a row. `table`: one that has ids of exchanges."""
    request = sa.select(sa.literal(1)).where(exchanges.c.request_id == table.c.request_id, is_held(exchanges))
    return request.correlate(table).exists()


def is_tenant_held(table: sa.Table) -> sa.ColumnElement[bool]:
    """Whether a legal hold covers everybody of a row's tenant: rows of sums are nobody's alone. Sums of all tenants are
    held with any of them."""
    tenant = sa.or_(holds.c.tenant == table.c.tenant, table.c.tenant == EVERYBODY)
    everybody = sa.select(sa.literal(1)).where(holds.c.released_at.is_(None), tenant, holds.c.subject.is_(None))
    return everybody.correlate(table).exists()


def sweep_rows(
    database: Database, table: sa.Table, old: sa.ColumnElement[bool], stays: sa.ColumnElement[bool]
) -> SweptRows:
    """Delete the old rows but for those that stay."""
    with database.write() as connection:
        count = sa.select(sa.func.count()).select_from(table).where(old, stays)
        held = connection.execute(count).scalar_one()
        deleted = connection.execute(sa.delete(table).where(old, ~stays)).rowcount
    return SweptRows(deleted=deleted, held=held)
