"""Alembic's entry point: runs the revisions on the connection that `Database` hands over."""

from alembic import context

from storage.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,  # SQLite alters a table by copying it.
)
with context.begin_transaction():
    context.run_migrations()
