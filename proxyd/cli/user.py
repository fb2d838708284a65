"""`proxyd user`: the people that may come in."""

import click

from control.account_requests import (
    EnableUser,
    ResetSecondFactor,
    SetPassword,
    SetRole,
)
from control.requests import AddUser, DisableUser, ListUsers, UserSummary
from proxyd.cli.invocation import Invocation, pass_invocation
from proxyd.cli.output import OutputFormat, print_done, print_json, print_table
from proxyd.cli.request import build
from proxyd.cli.typed import from_stdin
from proxyd.cli.user_keys import keys


@click.group()
def user() -> None:
    """Let people in and shut them out."""


@user.command()
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password, one line.")
@click.option(
    "--role",
    type=click.Choice(["user", "auditor", "admin"]),
    default="user",
    show_default=True,
)
@pass_invocation
def add(invocation: Invocation, name: str, *, password_stdin: bool, role: str) -> None:
    """Let NAME in."""
    if not password_stdin:
        raise click.UsageError("give the password on standard input, with --password-stdin")
    request = build(AddUser, name=name, password=from_stdin("password"), role=role)
    with invocation.operator() as operator:
        summary: UserSummary = operator.call(request)
    if invocation.output is OutputFormat.JSON:
        print_json(summary)
    else:
        click.echo(f"added the user {name}", err=True)


@user.command("list")
@pass_invocation
def list_(invocation: Invocation) -> None:
    """List the users."""
    with invocation.operator() as operator:
        users: list[UserSummary] = list(operator.stream(ListUsers()))
    if invocation.output is OutputFormat.JSON:
        print_json(users)
        return
    print_table(
        ("NAME", "ROLE", "STATE", "SINCE (UTC)"),
        (
            (u.name, u.role, "disabled" if u.disabled else "active", f"{u.created_at:%Y-%m-%d}")
            for u in users
        ),
    )


@user.command("set-password")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password, one line.")
@click.option("--keep", is_flag=True, help="NAME need not change it at his next log-in.")
@pass_invocation
def set_password(
    invocation: Invocation, name: str, *, password_stdin: bool, keep: bool
) -> None:
    """Give NAME another password; he is logged out of the page."""
    if not password_stdin:
        raise click.UsageError("give the password on standard input, with --password-stdin")
    password = from_stdin("password")
    request = build(SetPassword, name=name, password=password, must_change_password=not keep)
    with invocation.operator() as operator:
        operator.call(request)
    print_done(invocation.output, f"changed the password of {name}")


@user.command("set-role")
@click.argument("name")
@click.argument("role", type=click.Choice(["user", "auditor", "admin"]))
@pass_invocation
def set_role(invocation: Invocation, name: str, role: str) -> None:
    """Make NAME a user, an auditor or an admin."""
    with invocation.operator() as operator:
        operator.call(SetRole(name=name, role=role))
    print_done(invocation.output, f"{name} is {role} now")


@user.command("reset-totp")
@click.argument("name")
@pass_invocation
def reset_totp(invocation: Invocation, name: str) -> None:
    """Forget the second factors of NAME: device, recovery codes, passkeys."""
    with invocation.operator() as operator:
        operator.call(ResetSecondFactor(name=name))
    print_done(invocation.output, f"{name} has no second factor any more")


@user.command()
@click.argument("name")
@pass_invocation
def enable(invocation: Invocation, name: str) -> None:
    """Let NAME in again."""
    with invocation.operator() as operator:
        operator.call(EnableUser(name=name))
    print_done(invocation.output, f"enabled the user {name}")


@user.command()
@click.argument("name")
@pass_invocation
def disable(invocation: Invocation, name: str) -> None:
    """Shut NAME out: credentials end, live sessions end."""
    with invocation.operator() as operator:
        operator.call(DisableUser(name=name))
    print_done(invocation.output, f"disabled the user {name}")


user.add_command(keys)
