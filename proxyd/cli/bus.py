"""`proxyd bus`: what the broker must allow, and the chunks that nobody could store."""

from urllib.parse import unquote, urlsplit

import click

from control.bus_requests import (
    DeadLetterSummary,
    DiscardDeadLetters,
    ListDeadLetters,
    ReplayDeadLetters,
)
from control.requests import Done
from proxyd.cli.invocation import Invocation, pass_invocation
from proxyd.cli.output import OutputFormat, print_done, print_json, print_table


@click.group()
def bus() -> None:
    """Set up the broker for a node; look after dead letters."""


@bus.command()
@click.argument("role", type=click.Choice(["engine", "worker", "control"]))
@click.option("--user", required=True, metavar="NAME", help="The broker's user to make.")
@click.option("--site", metavar="NAME", help="The site of the engine.")
@click.option("--engine", metavar="ID", help="The engine's id; `engine.id` on it holds it.")
@pass_invocation
def policy(
    invocation: Invocation, *, role: str, user: str, site: str | None, engine: str | None
) -> None:
    """Print what the broker's administrator has to run for a node's user.

    An engine's user can say only what this engine says, and hear only what is for it.
    """
    from bus import policy as lines  # noqa: PLC0415 - `--help` needs none of it

    path = urlsplit(invocation.settings().bus.url).path
    vhost = unquote(path.removeprefix("/")) or "/"
    whose = [name is not None for name in (site, engine)]
    if whose != [role == "engine"] * 2:
        raise click.UsageError("--site NAME and --engine ID belong to the role engine")
    if site is not None and engine is not None:
        try:
            printed = lines.engine_policy(vhost, user, site, engine)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
    else:
        made = {"worker": lines.worker_policy, "control": lines.control_policy}
        printed = made[role](vhost, user)
    if invocation.output is OutputFormat.JSON:
        print_json(printed)
        return
    for line in printed:
        click.echo(line)


@bus.group("dead-letters")
def dead_letters() -> None:
    """Chunks that failed each time they were to be stored. They are kept on the broker."""


@dead_letters.command("list")
@pass_invocation
def list_(invocation: Invocation) -> None:
    """List them, oldest first."""
    with invocation.operator() as operator:
        letters: list[DeadLetterSummary] = list(operator.stream(ListDeadLetters()))
    if invocation.output is OutputFormat.JSON:
        print_json(letters)
        return
    print_table(
        ("ID", "ENGINE", "BYTES", "GIVEN UP BY"),
        ((one.id, one.engine, one.size_bytes, one.reason) for one in letters),
    )


@dead_letters.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "all_", is_flag=True, help="All of them.")
@pass_invocation
def replay(invocation: Invocation, ids: tuple[str, ...], *, all_: bool) -> None:
    """Send them to the workers again, once what they failed of is mended."""
    _check(ids, all_=all_)
    with invocation.operator() as operator:
        done: Done = operator.call(ReplayDeadLetters(ids=ids))
    print_done(invocation.output, done.detail)


@dead_letters.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "all_", is_flag=True, help="All of them.")
@pass_invocation
def discard(invocation: Invocation, ids: tuple[str, ...], *, all_: bool) -> None:
    """Throw them away. The engine's spool keeps its own copy in `quarantine`."""
    _check(ids, all_=all_)
    with invocation.operator() as operator:
        done: Done = operator.call(DiscardDeadLetters(ids=ids))
    print_done(invocation.output, done.detail)


def _check(ids: tuple[str, ...], *, all_: bool) -> None:
    if bool(ids) == all_:
        raise click.UsageError("name the ID of each, or say --all")
