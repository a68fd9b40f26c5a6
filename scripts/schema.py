"""Writes what all migrations leave in an empty SQLite file: `python scripts/schema.py` (a test fails when it is out of
date). New homes begin with it.
"""

from __future__ import annotations

import sqlalchemy as sa

from steward.adapters.stores.database import NEWEST_TABLES, run_migrations
from steward.adapters.stores.tables import REVISION


def write_schema() -> str:
    """Statements, each ended by a line that ends with a semicolon."""
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        run_migrations(connection)
        statements = read_statements(connection)
    engine.dispose()
    statements.append(f"INSERT INTO alembic_version (version_num) VALUES ('{REVISION}')")
    return "".join(f"{statement};\n" for statement in statements)


def read_statements(connection: sa.Connection) -> list[str]:
    """What made the tables, then what made their indexes, by name: Alembic makes indexes in any order."""
    made = connection.execute(sa.text("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC, name"))
    return list(made.scalars())


if __name__ == "__main__":
    NEWEST_TABLES.write_text(write_schema(), encoding="utf-8")
