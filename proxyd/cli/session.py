"""`proxyd session`: what was recorded, what is going on, and what to do about it."""

import click


@click.group()
def session() -> None:
    """List, play, watch, search, export and verify sessions; end one."""
