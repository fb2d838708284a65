"""`proxyd log`: the log of sessions, in which no recording can vanish unseen."""

import click

from control.proof_requests import AskTreeHead, CheckLog, LogChecked
from proxyd.cli.errors import INTEGRITY
from proxyd.cli.invocation import Invocation, pass_invocation
from proxyd.cli.output import OutputFormat, print_fields, print_json, printable
from recorder.data_key import key_id
from recorder.tree_head import TreeHead


@click.group()
def log() -> None:
    """Show and check the log that every session is appended to when it ends."""


@log.command()
@pass_invocation
def head(invocation: Invocation) -> None:
    """Show the log's signed head: how many sessions it holds, and the root over them."""
    with invocation.operator() as operator:
        answer: TreeHead = operator.call(AskTreeHead())
    fields = {
        "sessions": answer.size,
        "root": answer.root.hex(),
        "signed_at": answer.signed_at,
        "storage_key": key_id(answer.public),
        "public": answer.public.hex(),
        "signature": answer.signature.hex(),
    }
    if invocation.output is OutputFormat.JSON:
        print_json(fields)
    else:
        print_fields(fields)


@log.command()
@pass_invocation
@click.pass_context
def verify(ctx: click.Context, invocation: Invocation) -> None:
    """Check the log against every head that was exported, and every session against it.

    Finds sessions that were removed, or lost their end. Prints a line for each thing that
    is wrong, and exits with 6 if there is one.
    """
    with invocation.operator() as operator:
        checked: LogChecked = operator.call(CheckLog())
    if invocation.output is OutputFormat.JSON:
        print_json(checked)
    else:
        for problem in checked.problems:
            click.echo(printable(f"log differs: {problem}"))
    if checked.problems:
        ctx.exit(INTEGRITY)
    click.echo(
        f"proxyd: {checked.size} sessions in the log, as in {checked.heads} exported heads",
        err=True,
    )
