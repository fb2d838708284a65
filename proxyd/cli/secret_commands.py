"""`proxyd secret block …`: which commands a secret lets run."""

import click

from bus.command_rules import RuleAction
from control.command_requests import (
    AllowCommand,
    BecomeSummary,
    BlockCommand,
    CommandSummary,
    ForgetCommand,
    ListCommands,
    SetBecome,
    ShowBecome,
)
from proxyd.cli.invocation import Invocation, pass_invocation
from proxyd.cli.output import OutputFormat, print_done, print_fields, print_json, print_table
from proxyd.cli.request import build


@click.command()
@click.argument("secret")
@click.argument("name")
@click.argument("pattern")
@click.option(
    "--action",
    type=click.Choice([action.value for action in RuleAction]),
    default=RuleAction.NOTICE.value,
    show_default=True,
    help="alert: it runs, and is told of. notice: it does not run. hold: somebody else has to "
    "approve it. end: it does not run, and the session is over.",
)
@pass_invocation
def block(invocation: Invocation, secret: str, name: str, pattern: str, *, action: str) -> None:
    """Add the rule NAME to SECRET: what to do where a command holds PATTERN (RE2)."""
    asked = build(BlockCommand, secret=secret, name=name, pattern=pattern, action=action)
    _put(invocation, asked, f"{secret} has the rule {name}")


@click.command()
@click.argument("secret")
@click.argument("name")
@click.argument("command")
@pass_invocation
def allow(invocation: Invocation, secret: str, name: str, command: str) -> None:
    """Add NAME to the menu of SECRET: it runs COMMAND, where $WORD is a parameter.

    A secret with a menu runs nothing else.
    """
    asked = build(AllowCommand, secret=secret, name=name, command=command)
    _put(invocation, asked, f"{secret} has {name} on its menu")


@click.command()
@click.argument("secret")
@click.argument("name")
@pass_invocation
def forget(invocation: Invocation, secret: str, name: str) -> None:
    """Take the rule or the menu's entry NAME of SECRET away."""
    with invocation.operator() as operator:
        operator.call(build(ForgetCommand, secret=secret, name=name))
    print_done(invocation.output, f"{secret} has {name} no more")


@click.command()
@click.argument("secret")
@pass_invocation
def commands(invocation: Invocation, secret: str) -> None:
    """List the rules and the menu of SECRET."""
    with invocation.operator() as operator:
        found: list[CommandSummary] = list(operator.stream(ListCommands(secret=secret)))
    if invocation.output is OutputFormat.JSON:
        print_json(found)
        return
    print_table(
        ("NAME", "ACTION", "PATTERN OR COMMAND"),
        ((one.name, one.action, one.text) for one in found),
    )


@click.command()
@click.argument("secret")
@click.argument("command", default="")
@click.option(
    "--with", "with_secret", metavar="SECRET", help="Whose password COMMAND asks for."
)
@click.option("--nobody", is_flag=True, help="Whoever logged on stays that.")
@pass_invocation
def become(
    invocation: Invocation, secret: str, command: str, with_secret: str | None, *, nobody: bool
) -> None:
    """Have the shells of SECRET become another account by COMMAND; without it, show that.

    COMMAND is `su - root` or `sudo -i`, say. proxyd types the password of another secret.
    """
    if nobody == bool(command) and (nobody or with_secret):
        raise click.UsageError("give COMMAND, or --nobody, or neither to see what is set")
    asked = (
        build(SetBecome, secret=secret, command=command, with_secret=with_secret)
        if command or nobody
        else build(ShowBecome, secret=secret)
    )
    with invocation.operator() as operator:
        summary: BecomeSummary = operator.call(asked)
    if invocation.output is OutputFormat.JSON:
        print_json(summary)
        return
    shown: dict[str, object] = {"secret": summary.secret}
    if summary.command:
        by = {"by": summary.command, "with the password of": summary.with_secret}
        print_fields(shown | {"becomes": summary.account} | by)
    else:
        print_fields(shown | {"becomes": "nobody"})


def _put(invocation: Invocation, asked: BlockCommand | AllowCommand, done: str) -> None:
    with invocation.operator() as operator:
        summary: CommandSummary = operator.call(asked)
    if invocation.output is OutputFormat.JSON:
        print_json(summary)
    else:
        click.echo(done, err=True)
