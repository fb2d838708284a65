"""How the schema came to be: alembic revisions, applied by `Database.migrate`."""

NEWEST = "0026"
"""The revision that this version works with; a test compares it with the files."""
