"""`proxyd session`: what was recorded, what is going on, and what to do about it."""

import datetime as dt

import click

from control.pause_requests import PauseSession, ResumeSession
from control.requests import (
    Done,
    ListSessions,
    MessageSession,
    SearchHit,
    SearchSessions,
    SessionSummary,
    TerminateSession,
)
from control.retention_requests import HoldSession, ReleaseSession
from proxyd.cli import stored
from proxyd.cli.invocation import Invocation, pass_invocation
from proxyd.cli.output import OutputFormat, print_fields, print_json, print_table
from proxyd.cli.parameters import Moment, position_text
from proxyd.cli.request import build
from proxyd.cli.session_export import export
from proxyd.cli.session_play import play
from proxyd.cli.session_verify import verify
from proxyd.cli.session_watch import watch

_SHORT_ID = 8
KINDS = {
    "input": "input",
    "output": "output",
    "commands": "command",
    "titles": "title",
    "files": "file",
    "clipboard": "clipboard",
}
"""What `search --in` takes, and what the index calls it."""


@click.group()
def session() -> None:
    """List, play, watch, search, export and verify sessions; end one.

    An ID is a session's id, or at least the first four characters of it.
    """


@session.command("list")
@click.option("--live", is_flag=True, help="Only those that are going on.")
@click.option("--user", metavar="NAME", help="Only those of this user.")
@click.option("--secret", metavar="NAME", help="Only those that used this secret.")
@click.option("--since", type=Moment(), help="Started at or after: RFC 3339, a date, 2h, 3d.")
@click.option("--until", type=Moment(end_of_day=True), help="Started at or before.")
@pass_invocation
def list_(
    invocation: Invocation,
    *,
    live: bool,
    user: str | None,
    secret: str | None,
    since: dt.datetime | None,
    until: dt.datetime | None,
) -> None:
    """List sessions, newest first."""
    request = ListSessions(live=live, user=user, secret=secret, since=since, until=until)
    with invocation.operator() as operator:
        sessions: list[SessionSummary] = list(operator.stream(request))
    if invocation.output is OutputFormat.JSON:
        print_json(sessions)
        return
    print_table(
        ("ID", "STATE", "WHOLE", "STARTED (UTC)", "LENGTH", "USER", "SECRET"),
        map(_row, sessions),
    )


def _row(one: SessionSummary) -> tuple[object, ...]:
    return (
        str(one.id)[:_SHORT_ID],
        one.state,
        "yes" if one.complete else "no",
        f"{one.started_at:%Y-%m-%d %H:%M}",
        None if one.ended_at is None else _length(one.ended_at - one.started_at),
        one.user,
        one.secret,
    )


def _length(duration: dt.timedelta) -> str:
    minutes, seconds = divmod(max(0, round(duration.total_seconds())), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


@session.command()
@click.argument("session_id", metavar="ID")
@pass_invocation
def show(invocation: Invocation, session_id: str) -> None:
    """Show one session."""
    with invocation.operator() as operator:
        summary = stored.find(operator, session_id).summary
    if invocation.output is OutputFormat.JSON:
        print_json(summary)
    else:
        print_fields({name: getattr(summary, name) for name in summary.__struct_fields__})


@session.command()
@click.argument("text")
@click.option("--in", "places", metavar=",".join(KINDS), help="Where to look. Default: all.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=1000, show_default=True)
@pass_invocation
def search(invocation: Invocation, text: str, places: str | None, limit: int) -> None:
    """Find TEXT in what was typed, shown, run, and moved."""
    request = build(SearchSessions, text=text, kinds=_kinds(places), limit=limit)
    with invocation.operator() as operator:
        hits: list[SearchHit] = list(operator.stream(request))
    if invocation.output is OutputFormat.JSON:
        print_json(hits)
        return
    print_table(
        ("SESSION", "AT", "KIND", "TEXT"),
        ((str(h.session)[:_SHORT_ID], position_text(h.at_ms), h.kind, h.text) for h in hits),
    )


def _kinds(places: str | None) -> tuple[str, ...]:
    chosen = [place.strip() for place in (places or "").split(",") if place.strip()]
    singular = {kind: kind for kind in KINDS.values()} | KINDS
    for place in chosen:
        if place not in singular:
            raise click.BadParameter(
                f"{place!r} cannot be searched; choose from {', '.join(KINDS)}",
                param_hint="--in",
            )
    return tuple(singular[place] for place in chosen)


@session.command()
@click.argument("session_id", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="Shown to the user, and kept.")
@pass_invocation
def terminate(invocation: Invocation, session_id: str, reason: str) -> None:
    """End a live session and tell its user why."""
    with invocation.operator() as operator:
        chosen = stored.find_id(operator, session_id)
        done = operator.call(build(TerminateSession, id=chosen, reason=reason))
    _report(invocation, done, f"session {chosen} was ended")


@session.command()
@click.argument("session_id", metavar="ID")
@click.argument("text")
@pass_invocation
def message(invocation: Invocation, session_id: str, text: str) -> None:
    """Show TEXT in the terminal of a live session's user."""
    with invocation.operator() as operator:
        chosen = stored.find_id(operator, session_id)
        done = operator.call(build(MessageSession, id=chosen, text=text))
    _report(invocation, done, f"session {chosen} was shown the message")


@session.command()
@click.argument("session_id", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="Shown to the user, and kept.")
@pass_invocation
def pause(invocation: Invocation, session_id: str, reason: str) -> None:
    """Let nothing cross a live session, for a quarter of an hour at most."""
    with invocation.operator() as operator:
        chosen = stored.find_id(operator, session_id)
        done = operator.call(build(PauseSession, id=chosen, reason=reason))
    _report(invocation, done, f"session {chosen} is paused")


@session.command()
@click.argument("session_id", metavar="ID")
@pass_invocation
def resume(invocation: Invocation, session_id: str) -> None:
    """Let a paused session go on."""
    with invocation.operator() as operator:
        chosen = stored.find_id(operator, session_id)
        done = operator.call(build(ResumeSession, id=chosen))
    _report(invocation, done, f"session {chosen} goes on")


@session.command()
@click.argument("session_id", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="Kept with the session.")
@pass_invocation
def hold(invocation: Invocation, session_id: str, reason: str) -> None:
    """Keep a recording, whatever the rules of `proxyd retention` say."""
    with invocation.operator() as operator:
        chosen = stored.find_id(operator, session_id)
        done = operator.call(build(HoldSession, id=chosen, reason=reason))
    _report(invocation, done, f"session {chosen} is held: its recording stays")


@session.command()
@click.argument("session_id", metavar="ID")
@pass_invocation
def release(invocation: Invocation, session_id: str) -> None:
    """Leave a held recording to the rules of `proxyd retention` again."""
    with invocation.operator() as operator:
        chosen = stored.find_id(operator, session_id)
        done = operator.call(build(ReleaseSession, id=chosen))
    _report(invocation, done, f"session {chosen} is no longer held")


def _report(invocation: Invocation, done: Done, line: str) -> None:
    if invocation.output is OutputFormat.JSON:
        print_json(Done(detail=done.detail or line))
    else:
        click.echo(line)


for _command in (export, play, verify, watch):
    session.add_command(_command)
