"""`proxyd demo`: a proxy, a target behind it and a login, all on this machine.

Everything lies under `var/demo` of the working directory. Ports are free ones, passwords
are made up, nothing listens beyond 127.0.0.1, and no root and no sshd is needed.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import click
import msgspec
from msgspec import Struct

from bus.contract import HostKeyPolicy
from config.load import load
from config.model import Settings
from control.errors import ConflictError, NotFoundError
from control.gateway_keys import host_key_paths
from control.operator_client import RunningNode
from control.requests import (
    AddSecret,
    AddUser,
    GrantAccess,
    IssueCredential,
    IssuedCredential,
    OperatorRequest,
    RemoveSecret,
)
from control.state_dir import Initialiser
from protocols.ssh.target import fingerprint
from proxyd import logs, service
from proxyd.node import WholeNode
from proxyd.service import StartError
from recorder.clock import SystemClock
from recorder.session_info import TargetProtocol

FOLDER: Final = Path("var/demo")
SETTINGS: Final = """\
# Written anew by every `proxyd demo`.
state_dir = {state_dir}
public_host = "127.0.0.1"
log_level = "warning"
drain_timeout_s = 1
[ssh]
listen = ["127.0.0.1:{ssh_port}"]
[rdp]
listen = []
[control]
listen = "127.0.0.1:{page_port}"
[metrics]
listen = "127.0.0.1:{metrics_port}"
"""
_WHO: Final = "proxyd demo"
_SECRET: Final = "demo"  # noqa: S105 - a name
_USER, _ADMIN = "demo", "admin"
_TTL_S: Final = 86400
_USES: Final = 100_000
_TARGET_START_S: Final = 15
_TARGET_STOP_S: Final = 5
_PASSWORD_BYTES: Final = 18


class Passwords(Struct, frozen=True, kw_only=True):
    """What the people of the demo log on with; kept from one demo to the next."""

    admin: str
    user: str


class PageLogin(Struct, frozen=True, kw_only=True):
    """How the page is reached, and by whom."""

    url: str
    username: str
    password: str


class Target(Struct, frozen=True, kw_only=True):
    """What `protocols.ssh.demo_target` says of itself."""

    host: str
    port: int
    username: str
    password: str
    host_key: str


def run_demo(*, as_json: bool) -> int:
    """Run the demo until Ctrl-C; return the exit code."""
    folder = FOLDER.absolute()
    state_dir, config_path = folder / "state", folder / "proxyd.toml"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if state_dir.is_dir() and RunningNode(state_dir).answers():
        raise ConflictError(f"a demo runs in {folder} already: end it first")
    passwords = _passwords(folder / "passwords.json", state_dir)
    config_path.write_text(_settings_text(state_dir))
    settings = load(config_path)
    logs.set_up(settings.log_level)
    Initialiser(settings, SystemClock()).run(_ADMIN, passwords.admin)
    return service.run(Demo(settings, config_path, passwords, as_json=as_json))


class Demo:
    """A `proxyd.service.Node`: the whole node, a target for it, and a login."""

    def __init__(
        self, settings: Settings, config_path: Path, passwords: Passwords, *, as_json: bool
    ) -> None:
        self._settings = settings
        self._config_path = config_path
        self._passwords = passwords
        self._as_json = as_json
        self._node = WholeNode(settings, lambda: load(config_path))

    async def serve(self, started: Callable[[], None]) -> None:
        """Start target and node, issue a login, tell it, and serve until cancelled."""
        listening = asyncio.Event()
        async with _demo_target() as (target, child), asyncio.TaskGroup() as tasks:
            tasks.create_task(self._node.serve(listening.set))
            await listening.wait()
            login = await asyncio.to_thread(self._set_up, target)
            self._tell(login)
            started()
            await child.wait()
            raise StartError("the demo target ended: start the demo again")

    async def drain(self) -> None:
        """As the node does."""
        await self._node.drain()

    def reload(self) -> None:
        """As the node does."""
        self._node.reload()

    def status(self) -> str:
        """As the node does."""
        return self._node.status()

    def _set_up(self, target: Target) -> IssuedCredential:
        """Make the secret anew, let the user reach it, and issue a login."""
        with contextlib.suppress(ConflictError):
            self._ask(AddUser(name=_USER, password=self._passwords.user))
        with contextlib.suppress(NotFoundError):
            self._ask(RemoveSecret(name=_SECRET))
        self._ask(
            AddSecret(
                name=_SECRET,
                protocol=TargetProtocol.SSH,
                host=target.host,
                port=target.port,
                username=target.username,
                password=target.password,
                host_key_policy=HostKeyPolicy.GIVEN,
                host_keys=(target.host_key,),
            )
        )
        self._ask(GrantAccess(user=_USER, secret=_SECRET))
        issued = self._ask(
            IssueCredential(secret=_SECRET, user=_USER, ttl_s=_TTL_S, uses=_USES)
        )
        return msgspec.convert(issued, IssuedCredential)

    def _ask(self, request: OperatorRequest) -> object:
        if self._node.operations is None:
            raise StartError("the node has not started")
        return next(iter(self._node.operations.carry_out(request, _WHO)))

    def _tell(self, login: IssuedCredential) -> None:
        public_key = host_key_paths(self._settings.state_dir)[0].with_suffix(".pub")
        host_key = fingerprint(public_key.read_text())
        if self._as_json:
            click.echo(self._json(login, host_key.split()[-1]))
        else:
            click.echo(_words(login, host_key, self._config_path, self._page()))

    def _page(self) -> PageLogin:
        url = f"https://{self._settings.control.listen}/"
        return PageLogin(url=url, username=_ADMIN, password=self._passwords.admin)

    def _json(self, login: IssuedCredential, host_key_fingerprint: str) -> bytes:
        return msgspec.json.encode(
            {
                "ssh": {
                    "host": login.host,
                    "port": login.port,
                    "username": login.username,
                    "password": login.password,
                    "host_key_fingerprint": host_key_fingerprint,
                },
                "page": self._page(),
                "config": str(self._config_path),
                "pid": os.getpid(),
            }
        )


@contextlib.asynccontextmanager
async def _demo_target() -> AsyncIterator[tuple[Target, asyncio.subprocess.Process]]:
    """Run the target in a process of its own, which Ctrl-C in our terminal does not reach."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "protocols.ssh.demo_target"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield await _said_by(child), child
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        async with asyncio.timeout(_TARGET_STOP_S):
            await child.wait()


async def _said_by(child: asyncio.subprocess.Process) -> Target:
    """Return what the target says of itself; raise `StartError` where it says nothing."""
    if child.stdout is None:
        raise StartError("the demo target has no output")
    try:
        async with asyncio.timeout(_TARGET_START_S):
            return msgspec.json.decode(await child.stdout.readline(), type=Target)
    except (TimeoutError, msgspec.DecodeError) as error:
        raise StartError("the demo target did not start: see what it says above") from error


def _passwords(path: Path, state_dir: Path) -> Passwords:
    """Return the passwords of the demo that is here, or make a new one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Passwords)
    except (FileNotFoundError, msgspec.DecodeError):
        # Nobody can log on to what is here any more, if anything is.
        shutil.rmtree(state_dir, ignore_errors=True)
    made = Passwords(
        admin=secrets.token_urlsafe(_PASSWORD_BYTES),
        user=secrets.token_urlsafe(_PASSWORD_BYTES),
    )
    path.touch(mode=0o600)
    path.write_bytes(msgspec.json.encode(made))
    return made


def _settings_text(state_dir: Path) -> str:
    ssh_port, page_port, metrics_port = _free_ports(3)
    return SETTINGS.format(
        state_dir=msgspec.json.encode(str(state_dir)).decode(),
        ssh_port=ssh_port,
        page_port=page_port,
        metrics_port=metrics_port,
    )


def _free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now; all held at once, so that they differ."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _words(login: IssuedCredential, host_key: str, config_path: Path, page: PageLogin) -> str:
    program = f"{_from_here(Path(sys.executable).with_name('proxyd'))}"
    proxyd = f"{program} --config {_from_here(config_path)}"
    commands = login.commands
    return f"""\
A proxy, a target behind it and a login, all on this machine, until Ctrl-C.

  password   {login.password}
  host key   {host_key}

  OpenSSH    {commands["openssh"]}
  plink      {commands["plink"]}
  PuTTY      {commands["putty"]}

Log on with one of these, do something, then look at it from another terminal:

  {proxyd} session list
  {proxyd} session play ID
  {proxyd} session search TEXT

Or on the page, whose certificate is its own:

  page       {page.url}
  user name  {page.username}
  password   {page.password}
"""


def _from_here(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
