"""Alembic's entry: the connection comes from `Database.migrate`."""

from alembic import context

from steward.adapters.stores.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
