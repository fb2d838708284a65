"""`proxyd group`: users that may reach the same secrets."""

import click

from control.group_requests import (
    AddGroup,
    GrantToGroup,
    GroupRequest,
    GroupSummary,
    JoinGroup,
    LeaveGroup,
    ListGroups,
    RemoveGroup,
    RevokeFromGroup,
)
from proxyd.cli.invocation import Invocation, pass_invocation
from proxyd.cli.output import OutputFormat, print_done, print_json, print_table
from proxyd.cli.request import build


@click.group()
def group() -> None:
    """Put users into groups, and let groups reach secrets."""


@group.command()
@click.argument("name")
@pass_invocation
def add(invocation: Invocation, name: str) -> None:
    """Make a group called NAME."""
    _do(invocation, build(AddGroup, name=name), f"added: group {name}")


@group.command()
@click.argument("name")
@pass_invocation
def remove(invocation: Invocation, name: str) -> None:
    """Forget the group NAME: who reached something by it alone no longer does."""
    _do(invocation, RemoveGroup(name=name), f"removed: group {name}")


@group.command()
@click.argument("group_", metavar="GROUP")
@click.argument("user")
@pass_invocation
def join(invocation: Invocation, group_: str, user: str) -> None:
    """Put USER into GROUP."""
    _do(invocation, JoinGroup(group=group_, user=user), f"{user} is in {group_}")


@group.command()
@click.argument("group_", metavar="GROUP")
@click.argument("user")
@pass_invocation
def leave(invocation: Invocation, group_: str, user: str) -> None:
    """Take USER out of GROUP: credentials end, live sessions end."""
    _do(invocation, LeaveGroup(group=group_, user=user), f"{user} is no longer in {group_}")


@group.command()
@click.argument("group_", metavar="GROUP")
@click.argument("secret")
@pass_invocation
def grant(invocation: Invocation, group_: str, secret: str) -> None:
    """Let everybody in GROUP reach SECRET."""
    _do(invocation, GrantToGroup(group=group_, secret=secret), f"{group_} may reach {secret}")


@group.command()
@click.argument("group_", metavar="GROUP")
@click.argument("secret")
@pass_invocation
def revoke(invocation: Invocation, group_: str, secret: str) -> None:
    """Let nobody reach SECRET by GROUP: credentials end, live sessions end."""
    asked = RevokeFromGroup(group=group_, secret=secret)
    _do(invocation, asked, f"{group_} may no longer reach {secret}")


@group.command("list")
@pass_invocation
def list_(invocation: Invocation) -> None:
    """List groups, who is in them, and what they may reach."""
    with invocation.operator() as operator:
        found: list[GroupSummary] = list(operator.stream(ListGroups()))
    if invocation.output is OutputFormat.JSON:
        print_json(found)
        return
    print_table(
        ("GROUP", "USERS", "SECRETS"),
        ((one.name, ", ".join(one.users), ", ".join(one.secrets)) for one in found),
    )


def _do(invocation: Invocation, asked: GroupRequest, done: str) -> None:
    with invocation.operator() as operator:
        operator.call(asked)
    print_done(invocation.output, done)
