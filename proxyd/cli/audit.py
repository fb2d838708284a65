"""`proxyd audit`: who did what."""

from typing import Any

import click

from control.audit_requests import AuditEntry, ListAudit
from proxyd.cli.invocation import Invocation, pass_invocation
from proxyd.cli.output import OutputFormat, print_json, print_table
from proxyd.cli.parameters import Moment


@click.group()
def audit() -> None:
    """Read the audit trail. Nobody can change it."""


@audit.command("list")
@click.option("--who", metavar="NAME", help="Only acts of this operator, user or engine.")
@click.option("--action", metavar="ACTION", help="`secret.added`, or `secret` for all.")
@click.option("--subject", metavar="NAME", help="Only acts on this secret, user, session, …")
@click.option("--since", type=Moment(), help="At or after: RFC 3339, a date, 2h, 3d.")
@click.option("--until", type=Moment(end_of_day=True), help="At or before.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=1000, show_default=True)
@pass_invocation
def list_(invocation: Invocation, /, **wanted: Any) -> None:  # noqa: ANN401 - click made them
    """List acts, newest first."""
    request = ListAudit(**wanted)
    with invocation.operator() as operator:
        entries: list[AuditEntry] = list(operator.stream(request))
    if invocation.output is OutputFormat.JSON:
        print_json(entries)
        return
    print_table(
        ("WHEN (UTC)", "WHO", "ACTION", "SUBJECT", "DETAIL"),
        (
            (f"{one.at:%Y-%m-%d %H:%M:%S}", one.who, one.action, one.subject, one.detail)
            for one in entries
        ),
    )
