"""`proxyd access`: who may reach what."""

import click

from control.requests import AccessSummary, GrantAccess, ListAccess, RevokeAccess
from proxyd.cli import access_requests
from proxyd.cli.invocation import Invocation, pass_invocation
from proxyd.cli.output import OutputFormat, print_done, print_json, print_table


@click.group()
def access() -> None:
    """Say which user may reach which secret."""


@access.command()
@click.argument("user")
@click.argument("secret")
@pass_invocation
def grant(invocation: Invocation, user: str, secret: str) -> None:
    """Let USER reach SECRET."""
    with invocation.operator() as operator:
        operator.call(GrantAccess(user=user, secret=secret))
    print_done(invocation.output, f"{user} may reach {secret}")


@access.command()
@click.argument("user")
@click.argument("secret")
@pass_invocation
def revoke(invocation: Invocation, user: str, secret: str) -> None:
    """Let USER reach SECRET no more: credentials end, live sessions end."""
    with invocation.operator() as operator:
        operator.call(RevokeAccess(user=user, secret=secret))
    print_done(invocation.output, f"{user} may no longer reach {secret}")


@access.command("list")
@pass_invocation
def list_(invocation: Invocation) -> None:
    """List who may reach what."""
    with invocation.operator() as operator:
        granted: list[AccessSummary] = list(operator.stream(ListAccess()))
    if invocation.output is OutputFormat.JSON:
        print_json(granted)
        return
    print_table(
        ("USER", "SECRET", "SINCE (UTC)", "BY GROUP"),
        (
            (one.user, one.secret, f"{one.granted_at:%Y-%m-%d %H:%M}", one.group or "")
            for one in granted
        ),
    )


for command in (
    access_requests.request,
    access_requests.requests,
    access_requests.approve,
    access_requests.deny,
    access_requests.withdraw,
    access_requests.demand,
):
    access.add_command(command)
