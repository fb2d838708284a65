"""`proxyd user keys`: what people log on to the SSH gateway with, beside a password."""

from pathlib import Path

import click

from control.user_key_requests import (
    AddUserKey,
    ListUserKeys,
    RemoveUserKey,
    SetSSHLogin,
    UserKeySummary,
)
from proxyd.cli.invocation import Invocation, pass_invocation
from proxyd.cli.output import OutputFormat, print_done, print_json, print_table
from proxyd.cli.request import build
from proxyd.cli.typed import Duration, from_stdin


@click.group()
def keys() -> None:
    """Say which public keys a user may log on with."""


@keys.command()
@click.argument("user")
@click.option("--file", "path", type=click.Path(path_type=Path), help="A file, like id.pub.")
@click.option("--stdin", is_flag=True, help="Read the key, one line.")
@click.option("--name", default="", help="What to call it.  [default: its comment]")
@click.option("--ttl", type=Duration(), help="How long it is good.  [default: for good]")
@pass_invocation
def add(
    invocation: Invocation,
    user: str,
    *,
    path: Path | None,
    stdin: bool,
    name: str,
    ttl: float | None,
) -> None:
    """Let USER log on with a public key."""
    if stdin == (path is not None):
        raise click.UsageError("give the public key with --file or with --stdin")
    line = from_stdin("public key") if path is None else _content(path)
    request = build(AddUserKey, user=user, public_key=line, name=name, ttl_s=ttl)
    with invocation.operator() as operator:
        summary: UserKeySummary = operator.call(request)
    if invocation.output is OutputFormat.JSON:
        print_json(summary)
    else:
        click.echo(f"{user} may log on with {summary.fingerprint}", err=True)


@keys.command("list")
@click.argument("user")
@pass_invocation
def list_(invocation: Invocation, user: str) -> None:
    """List the keys of USER."""
    with invocation.operator() as operator:
        found: list[UserKeySummary] = list(operator.stream(ListUserKeys(user=user)))
    if invocation.output is OutputFormat.JSON:
        print_json(found)
        return
    print_table(
        ("FINGERPRINT", "TYPE", "NAME", "UNTIL (UTC)", "LAST USED (UTC)"),
        (
            (
                one.fingerprint,
                one.kind,
                one.name,
                f"{one.expires_at:%Y-%m-%d}" if one.expires_at else "",
                f"{one.used_at:%Y-%m-%d %H:%M}" if one.used_at else "never",
            )
            for one in found
        ),
    )


@keys.command()
@click.argument("user")
@click.argument("fingerprint")
@pass_invocation
def remove(invocation: Invocation, user: str, fingerprint: str) -> None:
    """Let USER no longer log on with the key of FINGERPRINT."""
    with invocation.operator() as operator:
        operator.call(RemoveUserKey(user=user, fingerprint=fingerprint))
    print_done(invocation.output, f"{user} may no longer log on with {fingerprint}")


@keys.command()
@click.argument("user")
@click.argument("policy", type=click.Choice(["either", "both", "key"]))
@pass_invocation
def demand(invocation: Invocation, user: str, policy: str) -> None:
    """Say what USER has to show: password or key, both, or a key."""
    with invocation.operator() as operator:
        operator.call(SetSSHLogin(user=user, policy=policy))
    print_done(invocation.output, f"{user} logs on with {policy}")


def _content(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path} cannot be read: {error}") from error
