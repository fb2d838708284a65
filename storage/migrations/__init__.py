"""How the schema came to be: alembic revisions, applied by `Database.migrate`."""
