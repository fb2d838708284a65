"""`proxyd retention`: how long recordings are kept."""

import click

from control.requests import Done
from control.retention_requests import (
    DeletedRecording,
    OrphanBlob,
    RetentionRule,
    RunRetention,
    Scope,
    SetRetention,
    ShowRetention,
    SweepBlobs,
    UnsetRetention,
)
from proxyd.cli.invocation import Invocation, pass_invocation
from proxyd.cli.output import OutputFormat, print_json, print_table
from proxyd.cli.request import build

_SHORT_ID = 8
_secret = click.option("--secret", metavar="NAME", help="For recordings that used this secret.")
_site = click.option("--site", metavar="NAME", help="For recordings of this site.")
_default = click.option("--default", "default", is_flag=True, help="For all others.")


@click.group()
def retention() -> None:
    """Say how long recordings are kept, counted from the end of a session.

    A secret's rule goes before its site's, and that before the default. Without a rule
    recordings are kept for ever. A held session (`proxyd session hold`) is never deleted.
    """


@retention.command()
@pass_invocation
def show(invocation: Invocation) -> None:
    """List the rules."""
    with invocation.operator() as operator:
        rules: list[RetentionRule] = list(operator.stream(ShowRetention()))
    if invocation.output is OutputFormat.JSON:
        print_json(rules)
        return
    rows = ((rule.scope, rule.name, _kept(rule.days)) for rule in rules)
    print_table(("FOR", "NAME", "KEPT"), rows)


@retention.command("set")
@_secret
@_site
@_default
@click.option("--days", type=int, metavar="N", help="Delete so many days after the end.")
@click.option("--forever", is_flag=True, help="Never delete, whatever other rules say.")
@pass_invocation
def set_(
    invocation: Invocation,
    *,
    secret: str | None,
    site: str | None,
    default: bool,
    days: int | None,
    forever: bool,
) -> None:
    """Make a rule, or change it."""
    if forever == (days is not None):
        raise click.UsageError("give --days N or --forever")
    scope, name = _whose(secret, site, default=default)
    request = build(SetRetention, scope=scope, name=name, days=days)
    with invocation.operator() as operator:
        rule: RetentionRule = operator.call(request)
    _report(invocation, rule, f"{scope} {name}".strip() + f": kept {_kept(rule.days)}")


@retention.command()
@_secret
@_site
@_default
@pass_invocation
def unset(
    invocation: Invocation, *, secret: str | None, site: str | None, default: bool
) -> None:
    """Remove a rule."""
    scope, name = _whose(secret, site, default=default)
    with invocation.operator() as operator:
        done: Done = operator.call(build(UnsetRetention, scope=scope, name=name))
    _report(invocation, done, f"{scope} {name}".strip() + ": the rule is gone")


@retention.command()
@click.option("--dry-run", is_flag=True, help="Only list what would be deleted.")
@pass_invocation
def run(invocation: Invocation, *, dry_run: bool) -> None:
    """Delete what the rules say, now. Workers do so by themselves, every hour."""
    with invocation.operator() as operator:
        deleted: list[DeletedRecording] = list(operator.stream(RunRetention(dry_run=dry_run)))
    if invocation.output is OutputFormat.JSON:
        print_json(deleted)
        return
    print_table(
        ("SESSION", "ENDED (UTC)", "RULE"),
        ((str(o.session)[:_SHORT_ID], f"{o.ended_at:%Y-%m-%d %H:%M}", o.rule) for o in deleted),
    )


@retention.command()
@click.option(
    "--days", type=click.IntRange(1, 36500), default=7, show_default=True, metavar="N"
)
@click.option("--delete", is_flag=True, help="Delete them; without it they are only listed.")
@pass_invocation
def sweep(invocation: Invocation, *, days: int, delete: bool) -> None:
    """List blobs older than N days that no recording names, as crashes leave them.

    Do not delete them after a restore: they may be all that is left of what came later.
    """
    with invocation.operator() as operator:
        request = build(SweepBlobs, days=days, delete=delete)
        found: list[OrphanBlob] = list(operator.stream(request))
    if invocation.output is OutputFormat.JSON:
        print_json(found)
        return
    print_table(("DELETED" if delete else "BLOB",), ((one.key,) for one in found))


def _whose(secret: str | None, site: str | None, *, default: bool) -> tuple[Scope, str]:
    chosen: list[tuple[Scope, str]] = []
    if secret is not None:
        chosen.append(("secret", secret))
    if site is not None:
        chosen.append(("site", site))
    if default:
        chosen.append(("default", ""))
    if len(chosen) != 1:
        raise click.UsageError("give one of --secret NAME, --site NAME and --default")
    return chosen[0]


def _kept(days: int | None) -> str:
    return "for ever" if days is None else f"{days} days"


def _report(invocation: Invocation, result: RetentionRule | Done, line: str) -> None:
    if invocation.output is OutputFormat.JSON:
        print_json(result)
    else:
        click.echo(line)
