"""Alembic's entry point: runs the revisions on the connection that `Database` hands over.

On PostgreSQL each revision commits by itself, so that a migration that was cut short goes
on where it was. A revision that builds an index over a large table does so concurrently.
"""

from alembic import context

from storage.tables import Table

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Table.metadata,
    render_as_batch=True,  # SQLite alters a table by copying it.
    transaction_per_migration=connection.dialect.name == "postgresql",
)
with context.begin_transaction():
    context.run_migrations()
