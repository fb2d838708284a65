"""`proxyd access request …`: secrets that demand another person's word."""

from uuid import UUID

import click

from control.approval_requests import (
    AccessRequestSummary,
    ApprovalRequest,
    ApproveAccess,
    DenyAccess,
    ListAccessRequests,
    RequestAccess,
    SetDemands,
    WithdrawAccess,
)
from proxyd.cli.invocation import Invocation, pass_invocation
from proxyd.cli.output import OutputFormat, print_done, print_json, print_table
from proxyd.cli.request import build
from proxyd.cli.typed import Duration


@click.command()
@click.argument("user")
@click.argument("secret")
@click.option("--comment", default="", help="Why.")
@click.option("--ticket", default="", help="The number of a ticket.")
@pass_invocation
def request(
    invocation: Invocation, user: str, secret: str, *, comment: str, ticket: str
) -> None:
    """Ask, for USER, to be let at SECRET, which demands approval."""
    asked = build(RequestAccess, user=user, secret=secret, comment=comment, ticket=ticket)
    _show(invocation, asked, "asked: request")


@click.command()
@click.option("--pending", is_flag=True, help="Those alone that nobody has decided.")
@pass_invocation
def requests(invocation: Invocation, *, pending: bool) -> None:
    """List who asked for what."""
    with invocation.operator() as operator:
        found: list[AccessRequestSummary] = list(
            operator.stream(ListAccessRequests(pending=pending))
        )
    if invocation.output is OutputFormat.JSON:
        print_json(found)
        return
    print_table(
        ("ID", "USER", "SECRET", "STATE", "ASKED (UTC)", "COMMENT", "TICKET"),
        (
            (
                str(one.id),
                one.user,
                one.secret,
                one.state,
                f"{one.asked_at:%Y-%m-%d %H:%M}",
                one.comment,
                one.ticket,
            )
            for one in found
        ),
    )


@click.command()
@click.argument("id_", metavar="ID", type=click.UUID)
@click.option("--for", "for_s", type=Duration(), default="1h", show_default=True)
@click.option("--say", default="", help="What the user reads.")
@pass_invocation
def approve(invocation: Invocation, id_: UUID, *, for_s: float, say: str) -> None:
    """Let what ID asks for be launched, for a while."""
    _show(invocation, build(ApproveAccess, id=id_, for_s=for_s, said=say), "approved")


@click.command()
@click.argument("id_", metavar="ID", type=click.UUID)
@click.option("--say", default="", help="What the user reads.")
@pass_invocation
def deny(invocation: Invocation, id_: UUID, *, say: str) -> None:
    """Do not let what ID asks for be launched."""
    _show(invocation, build(DenyAccess, id=id_, said=say), "denied")


@click.command()
@click.argument("id_", metavar="ID", type=click.UUID)
@pass_invocation
def withdraw(invocation: Invocation, id_: UUID) -> None:
    """Take back the request ID or its approval: live sessions end."""
    with invocation.operator() as operator:
        operator.call(WithdrawAccess(id=id_))
    print_done(invocation.output, f"withdrawn: request {id_}")


@click.command()
@click.argument("secret")
@click.argument("demands", nargs=-1, type=click.Choice(["comment", "ticket", "approval"]))
@pass_invocation
def demand(invocation: Invocation, secret: str, demands: tuple[str, ...]) -> None:
    """Say what SECRET demands before it is launched; no DEMANDS: nothing."""
    with invocation.operator() as operator:
        operator.call(SetDemands(secret=secret, demands=demands))
    print_done(invocation.output, f"{secret} demands {', '.join(demands) or 'nothing'}")


def _show(invocation: Invocation, asked: ApprovalRequest, done: str) -> None:
    with invocation.operator() as operator:
        summary: AccessRequestSummary = operator.call(asked)
    if invocation.output is OutputFormat.JSON:
        print_json(summary)
    else:
        click.echo(f"{done} {summary.id}: {summary.user} to {summary.secret}", err=True)
