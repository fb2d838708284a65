"""`proxyd engine`: the engines of sites: enrolled there, approved and revoked here."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

from control.enrolment_requests import ApproveEngine, EngineSummary, ListEngines, RevokeEngine
from proxyd.cli.invocation import Invocation, pass_invocation
from proxyd.cli.output import (
    OutputFormat,
    print_done,
    print_fields,
    print_json,
    print_table,
    printable,
)
from proxyd.cli.request import build
from proxyd.cli.typed import from_stdin

T = TypeVar("T")


@click.group()
def engine() -> None:
    """Enrol engines, approve and revoke them."""


@engine.command()
@click.option("--site", required=True, metavar="NAME", help="As `site` in its settings.")
@click.option("--afresh", is_flag=True, help="Give up what it is: new id, new keys.")
@pass_invocation
def enrol(invocation: Invocation, *, site: str, afresh: bool) -> None:
    """On an engine: ask control to let it serve a site, and wait for the approval."""
    from bus.identity import Introduction  # noqa: PLC0415 - `--help` needs none of it
    from proxyd import engine_side  # noqa: PLC0415
    from proxyd.enrolment import Enroller, forget  # noqa: PLC0415
    from recorder.clock import SystemClock  # noqa: PLC0415

    settings = invocation.settings()
    engine_side.check_site(settings, site)
    if afresh:
        forget(settings.state_dir)
    if engine_side.is_local(settings):
        line = "this node is every role, and enrols its own engine when it starts"
        print_done(invocation.output, line)
        return
    clock, keys = SystemClock(), engine_side.keys(settings)
    enroller = Enroller(settings.state_dir, keys, clock)
    begun = enroller.begin(site)
    shown: dict[str, object] = {
        "id": enroller.engine_id,
        "site": site,
        "fingerprint": enroller.fingerprint,
        "code": begun.code,
    }
    if invocation.output is OutputFormat.JSON:
        print_json(shown | {"expires_at": begun.expires_at})
    else:
        print_fields(shown | {"until": f"{begun.expires_at:%Y-%m-%d %H:%M} UTC"})
    say(f"on the control node: proxyd engine approve {enroller.engine_id}, and the code there")

    async def finish() -> str:
        introduction = Introduction(enroller.engine_id, keys.signing, clock)
        async with invocation.open_requests(settings, introduction) as bus:
            return await enroller.finish(begun, bus, lambda: say("waiting for approval"))

    fingerprint = _run(finish)
    say(f"enrolled; control's key is {fingerprint}")


@engine.command("rotate-key")
@pass_invocation
def rotate_key(invocation: Invocation) -> None:
    """On an engine: make a new signing key, which the running engine takes up."""
    from proxyd import engine_side  # noqa: PLC0415 - `--help` needs none of it

    settings = invocation.settings()
    file = engine_side.keys(settings).signing_file
    file.read_or_make_successor()
    if engine_side.is_local(settings):
        new = f"the next signing key is {file.successor_path}: it counts from the next start on"
    else:
        new = "the new key is made: the running engine tells control, and signs with it then"
    old = "what the old key signed stays good, and is stored for 30 days yet"
    print_done(invocation.output, new, old)


@engine.command("list")
@pass_invocation
def list_(invocation: Invocation) -> None:
    """List engines, those that wait for approval first."""
    with invocation.operator() as operator:
        engines: list[EngineSummary] = list(operator.stream(ListEngines()))
    if invocation.output is OutputFormat.JSON:
        print_json(engines)
        return
    print_table(
        ("ID", "SITE", "STATE", "FINGERPRINT", "SEEN (UTC)"),
        (
            (e.id, e.site, e.state, e.fingerprint, f"{e.seen_at:%F %R}" if e.seen_at else "")
            for e in engines
        ),
    )


@engine.command()
@click.argument("engine_id", metavar="ID")
@pass_invocation
def approve(invocation: Invocation, engine_id: str) -> None:
    """Let an engine serve. Its one-time code is read from standard input."""
    request = build(ApproveEngine, id=engine_id, code=from_stdin("code that the engine shows"))
    with invocation.operator() as operator:
        summary: EngineSummary = operator.call(request)
    if invocation.output is OutputFormat.JSON:
        print_json(summary)
    else:
        say(f"approved {summary.id} for site {summary.site}, {summary.fingerprint}")


@engine.command()
@click.argument("engine_id", metavar="ID")
@pass_invocation
def revoke(invocation: Invocation, engine_id: str) -> None:
    """End an engine, and its sessions; recordings of before still verify."""
    with invocation.operator() as operator:
        operator.call(RevokeEngine(id=engine_id))
    print_done(invocation.output, f"revoked {engine_id}")


def say(text: str) -> None:
    """Tell the operator how it goes."""
    click.echo(printable(text), err=True)


def _run(work: Callable[[], Awaitable[T]]) -> T:
    async def run() -> T:
        return await work()

    return asyncio.run(run())
