"""`proxyd init`, `run`, `demo`, `status`, `doctor` and `rotate-…-key`: the node itself."""

import sys
import time
from collections.abc import Iterator
from typing import Final

import click

from control.enrolment_requests import RotateControlKey, RotateStorageKey
from control.node_requests import AskStatus, RotateMasterKey, Status
from control.operator_client import RunningNode
from control.requests import AddUser, Done, ListUsers, UserSummary
from control.state_lock import StateDirHeldError
from proxyd.cli.errors import FAILED, UNREACHABLE, CommandFailedError
from proxyd.cli.invocation import Invocation, pass_invocation
from proxyd.cli.output import OutputFormat, print_done, print_fields, print_json, printable
from proxyd.cli.request import build
from proxyd.cli.typed import from_stdin

_ROLES: Final = ("all", "engine", "worker", "control")
_POLL_S: Final = 0.1
_NOTHING_TO_DO: Final = "everything was set up already"


@click.command()
@click.option("--admin", metavar="NAME", help="Make an administrator.")
@click.option("--password-stdin", is_flag=True, help="Read the password, one line.")
@click.option("--engine", is_flag=True, help="An engine alone: host keys, nothing else.")
@pass_invocation
def init(
    invocation: Invocation, *, admin: str | None, password_stdin: bool, engine: bool
) -> None:
    """Set up the state directory: master key, host keys, database. Safe to repeat."""
    if engine:
        if admin is not None or password_stdin:
            raise click.UsageError("an engine knows no users: leave --admin out")
        from control.state_folder import set_up_engine  # noqa: PLC0415

        done = set_up_engine(invocation.settings().state_dir)
        print_done(invocation.output, *(done or [_NOTHING_TO_DO]))
        return
    from control.state_dir import Initialiser  # noqa: PLC0415 - brings the database
    from proxyd.surroundings import credentials_dir  # noqa: PLC0415
    from recorder.clock import SystemClock  # noqa: PLC0415

    if password_stdin != (admin is not None):
        raise click.UsageError("--admin NAME and --password-stdin go together")
    settings = invocation.settings()
    password = from_stdin("password") if password_stdin else None
    initialiser = Initialiser(settings, SystemClock(), credentials_dir=credentials_dir())
    try:
        done = initialiser.run(admin, password)
    except StateDirHeldError:
        if not _answers(RunningNode(settings.state_dir)):
            raise
        done = _beside_a_node(invocation, admin, password)
    print_done(invocation.output, *(done or [_NOTHING_TO_DO]))


def _beside_a_node(
    invocation: Invocation, admin: str | None, password: str | None
) -> list[str]:
    """Add the administrator through the node that runs: all else it had when it started."""
    if admin is None or password is None:
        return []
    asked = build(AddUser, name=admin, password=password, role="admin")
    with invocation.operator() as operator:
        users: Iterator[UserSummary] = operator.stream(ListUsers())
        if admin in {user.name for user in users}:
            return []
        operator.call(asked)
    return [f"added the administrator {admin}"]


@click.command()
@click.argument("role", type=click.Choice(_ROLES), default="all")
@pass_invocation
def run(invocation: Invocation, role: str) -> None:
    """Run in the foreground until SIGTERM."""
    from proxyd import logs, roles, service  # noqa: PLC0415 - brings the whole daemon

    settings = invocation.settings()
    logs.set_up(settings.log_level)
    sys.exit(service.run(roles.node_of(role, settings, invocation.settings)))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line first.")
def demo(*, as_json: bool) -> None:
    """Try proxyd: a shell, a desktop and ready command lines for both, on this machine."""
    from proxyd.demo import run_demo  # noqa: PLC0415 - brings the whole daemon

    sys.exit(run_demo(as_json=as_json))


@click.command()
@click.option("--wait", "wait_s", type=click.FloatRange(min=0), metavar="SECONDS", default=0.0)
@pass_invocation
def status(invocation: Invocation, wait_s: float) -> None:
    """Say how the node is; wait for it to run, if told to."""
    settings = invocation.settings()
    running = RunningNode(settings.state_dir)
    until_s = time.monotonic() + wait_s
    # Looking at the socket alone: taking the database would keep a starting node out.
    while not _answers(running):
        if time.monotonic() >= until_s:
            raise CommandFailedError(
                f"no proxyd runs on {settings.state_dir}: start it with `proxyd run`",
                UNREACHABLE,
            )
        time.sleep(_POLL_S)
    with invocation.operator() as operator:
        answer: Status = operator.call(AskStatus())
    if invocation.output is OutputFormat.JSON:
        print_json(answer)
        return
    fields = {field: getattr(answer, field) for field in answer.__struct_fields__}
    listening = {name: ", ".join(places) for name, places in answer.listening.items()}
    listens = ", ".join(f"{name} {places}" for name, places in listening.items() if places)
    fields |= {"listening": listens or None, "problems": "; ".join(answer.problems) or None}
    print_fields(fields)


def _answers(node: RunningNode) -> bool:
    try:
        return node.answers()
    except FileNotFoundError:  # The state directory is not there yet.
        return False


@click.command()
@click.option(
    "--role", type=click.Choice(_ROLES), default="all", help="Of this machine. Default: all."
)
@pass_invocation
def doctor(invocation: Invocation, role: str) -> None:
    """Look at everything a node needs; say what is wrong and what to do."""
    from proxyd.doctor import examine  # noqa: PLC0415 - brings the whole daemon

    findings = list(examine(invocation.settings, role))
    if invocation.output is OutputFormat.JSON:
        print_json(findings)
    else:
        for finding in findings:
            mark = ("warn" if finding.warning else "ok  ") if finding.ok else "FAIL"
            click.echo(printable(f"{mark}  {finding.what}: {finding.detail}"))
    failed = sum(not finding.ok for finding in findings)
    if failed:
        raise CommandFailedError(f"{failed} of {len(findings)} checks failed", FAILED)


@click.command("rotate-master-key")
@pass_invocation
def rotate_master_key(invocation: Invocation) -> None:
    """Make a new master key and wrap every secret's key with it."""
    with invocation.operator() as operator:
        done: Done = operator.call(RotateMasterKey())
    print_done(invocation.output, done.detail)


@click.command("rotate-control-key")
@pass_invocation
def rotate_control_key(invocation: Invocation) -> None:
    """Make a new signing key of control; it takes over once every engine knows it."""
    with invocation.operator() as operator:
        done: Done = operator.call(RotateControlKey())
    print_done(invocation.output, done.detail)


@click.command("rotate-storage-key")
@pass_invocation
def rotate_storage_key(invocation: Invocation) -> None:
    """Make a new key for receipts; it takes over once every engine knows it."""
    with invocation.operator() as operator:
        done: Done = operator.call(RotateStorageKey())
    print_done(invocation.output, done.detail)
