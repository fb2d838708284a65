"""`proxyd demo`: a proxy, a shell and a desktop behind it, and logins, all on this machine.

Everything lies under `var/demo` of the working directory. Ports are free ones, passwords
are made up, nothing listens beyond 127.0.0.1, and no root, no sshd and no desktop is needed.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
import msgspec
from msgspec import Struct

from bus.contract import HostKeyPolicy
from config.load import load
from config.model import Settings
from control.errors import ConflictError, NotFoundError
from control.gateway_certificate import usable_certificate
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
from protocols.rdp.certificates import fingerprint as certificate_fingerprint
from protocols.ssh.target import fingerprint
from proxyd import logs, service
from proxyd.demo_targets import DesktopTarget, SSHTarget, desktop_target, ssh_target
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
listen = ["127.0.0.1:{rdp_port}"]
[control]
listen = "127.0.0.1:{page_port}"
[metrics]
listen = "127.0.0.1:{metrics_port}"
"""
_WHO: Final = "proxyd demo"
_SHELL, _DESKTOP = "demo", "desktop"
"""Names of secrets."""
_USER, _ADMIN = "demo", "admin"
_TTL_S: Final = 86400
_USES: Final = 100_000
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


class Logins(Struct, frozen=True, kw_only=True):
    """The proxy credentials of the demo."""

    shell: IssuedCredential
    desktop: IssuedCredential


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
    """A `proxyd.service.Node`: the whole node, targets for it, and logins."""

    def __init__(
        self, settings: Settings, config_path: Path, passwords: Passwords, *, as_json: bool
    ) -> None:
        self._settings = settings
        self._config_path = config_path
        self._passwords = passwords
        self._as_json = as_json
        self._node = WholeNode(settings, lambda: load(config_path))

    async def serve(self, started: Callable[[], None]) -> None:
        """Start targets and node, issue logins, tell them, and serve until cancelled."""
        listening = asyncio.Event()
        async with (
            ssh_target() as shell,
            desktop_target() as desktop,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(self._node.serve(listening.set))
            await listening.wait()
            places = await shell.place(), await desktop.place()
            self._tell(await asyncio.to_thread(self._set_up, *places))
            started()
            tasks.create_task(shell.watch())
            tasks.create_task(desktop.watch())

    async def drain(self) -> None:
        """As the node does."""
        await self._node.drain()

    def reload(self) -> None:
        """As the node does."""
        self._node.reload()

    def status(self) -> str:
        """As the node does."""
        return self._node.status()

    def _set_up(self, shell: SSHTarget, desktop: DesktopTarget) -> Logins:
        """Make the secrets anew, let the user reach them, and issue logins."""
        with contextlib.suppress(ConflictError):
            self._ask(AddUser(name=_USER, password=self._passwords.user))
        return Logins(
            shell=self._issued(
                AddSecret(
                    name=_SHELL,
                    protocol=TargetProtocol.SSH,
                    host=shell.host,
                    port=shell.port,
                    username=shell.username,
                    password=shell.password,
                    host_key_policy=HostKeyPolicy.GIVEN,
                    host_keys=(shell.host_key,),
                )
            ),
            desktop=self._issued(
                AddSecret(
                    name=_DESKTOP,
                    protocol=TargetProtocol.RDP,
                    host=desktop.host,
                    port=desktop.port,
                    username=desktop.username,
                    password=desktop.password,
                    host_key_policy=HostKeyPolicy.GIVEN,
                    host_keys=(desktop.certificate,),
                    # It has no clipboard, so that clients need offer none.
                    channels=(),
                )
            ),
        )

    def _issued(self, secret: AddSecret) -> IssuedCredential:
        with contextlib.suppress(NotFoundError):
            self._ask(RemoveSecret(name=secret.name))
        self._ask(secret)
        self._ask(GrantAccess(user=_USER, secret=secret.name))
        issued = self._ask(
            IssueCredential(secret=secret.name, user=_USER, ttl_s=_TTL_S, uses=_USES)
        )
        return msgspec.convert(issued, IssuedCredential)

    def _ask(self, request: OperatorRequest) -> object:
        if self._node.operations is None:
            raise StartError("the node has not started")
        return next(iter(self._node.operations.carry_out(request, _WHO)))

    def _tell(self, logins: Logins) -> None:
        public_key = host_key_paths(self._settings.state_dir)[0].with_suffix(".pub")
        host_key = fingerprint(public_key.read_text())
        if self._as_json:
            click.echo(self._json(logins, host_key.split()[-1]))
        else:
            keys = host_key, self._certificate()
            click.echo(_words(logins, keys, self._config_path, self._page()))

    def _certificate(self) -> str:
        """Return the fingerprint of what RDP clients see, as they show it."""
        path, _ = usable_certificate(self._settings, SystemClock().now())
        hexed = certificate_fingerprint(ssl.PEM_cert_to_DER_cert(path.read_text("ascii")))
        return ":".join(hexed[at : at + 2] for at in range(0, len(hexed), 2))

    def _page(self) -> PageLogin:
        url = f"https://{self._settings.control.listen}/"
        return PageLogin(url=url, username=_ADMIN, password=self._passwords.admin)

    def _json(self, logins: Logins, host_key_fingerprint: str) -> bytes:
        return msgspec.json.encode(
            {
                "ssh": _login(logins.shell) | {"host_key_fingerprint": host_key_fingerprint},
                "rdp": _login(logins.desktop),
                "page": self._page(),
                "config": str(self._config_path),
                "pid": os.getpid(),
            }
        )


def _login(issued: IssuedCredential) -> dict[str, str | int]:
    return {
        "host": issued.host,
        "port": issued.port,
        "username": issued.username,
        "password": issued.password,
    }


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
    ssh_port, rdp_port, page_port, metrics_port = _free_ports(4)
    return SETTINGS.format(
        state_dir=msgspec.json.encode(str(state_dir)).decode(),
        ssh_port=ssh_port,
        rdp_port=rdp_port,
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


def _words(logins: Logins, keys: tuple[str, str], config_path: Path, page: PageLogin) -> str:
    """Return what the demo prints; `keys` are the fingerprints that clients show."""
    host_key, certificate = keys
    program = f"{_from_here(Path(sys.executable).with_name('proxyd'))}"
    proxyd = f"{program} --config {_from_here(config_path)}"
    shell, desktop = logins.shell, logins.desktop
    return f"""\
A proxy, a shell and a desktop behind it, and a login for each, all on this machine, until
Ctrl-C.

The shell:

  password   {shell.password}
  host key   {host_key}

  OpenSSH    {shell.commands["openssh"]}
  plink      {shell.commands["plink"]}
  PuTTY      {shell.commands["putty"]}

The desktop, which shows what is typed:

  user name    {desktop.username}
  password     {desktop.password}
  certificate  {certificate}

  xfreerdp     {desktop.commands["xfreerdp"]}
  mstsc        {desktop.commands["mstsc"]}

Log on with one of these, do something, then look at it from another terminal:

  {proxyd} session list
  {proxyd} session play ID
  {proxyd} session export ID --format video --out FILE
  {proxyd} session search TEXT

Or on the page, whose certificate is its own:

  page       {page.url}
  user name  {page.username}
  password   {page.password}
"""


def _from_here(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
