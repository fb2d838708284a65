"""Starts the page of a node. FastAPI is imported only when it is."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

import structlog

from config.errors import ConfigError
from config.model import Settings
from control.log_in import LogIn
from control.operations import Operations
from control.operator_socket import Follow, Watch
from control.playback import Playback
from control.rdp_signature import RDPSigner
from control.vault import Vault
from control.web.certificate import PageCertificate
from control.web.recordings import Recordings
from proxyd.exporter import exporter
from proxyd.launcher_file import launcher_file
from proxyd.metrics import NotReady
from proxyd.service import listen_error
from proxyd.surroundings import credentials_dir
from recorder.ports import Clock
from storage.database import Database

ASSETS: Final = Path(__file__).with_name("assets")
_BACKLOG: Final = 256

_log: structlog.stdlib.BoundLogger = structlog.get_logger()


class NodePage:
    """The page of a control node, where its settings want one."""

    def __init__(
        self, settings: Settings, database: Database, vault: Vault, log_in: LogIn, clock: Clock
    ) -> None:
        self._settings = settings
        self._database, self._vault = database, vault
        self._log_in, self._clock = log_in, clock
        self._certificate = PageCertificate(
            settings.state_dir, settings.control.tls, settings.public_host
        )
        self._rdp_signer: RDPSigner | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[socket.socket | None]:
        """Listen while entered: who connects is answered by `serve`.

        Yields nothing where there is to be no page. Raises `ConfigError` or `StartError`.
        """
        if not self._settings.control.listen:
            yield None
            return
        self._certificate.load(self._clock.now())
        self._read_signer()
        with contextlib.closing(_listen(self._settings.control.listen)) as listener:
            yield listener

    async def serve(
        self,
        listener: socket.socket,
        operations: Operations,
        playback: Playback,
        follow: Follow,
        pictures: Watch,
        not_ready: NotReady,
    ) -> None:
        """Serve until cancelled; raise `ConfigError`."""
        settings = self._settings
        # It takes a second or more: the node is ready meanwhile, and who connects waits.
        server = await asyncio.to_thread(_import_server)
        page = server.Page(
            operations=operations,
            log_in=self._log_in,
            provider=server.provider_of(settings, self._vault, self._clock, credentials_dir()),
            passkeys=server.Passkeys(self._vault, settings.public_host),
            database=self._database,
            vault=self._vault,
            recordings=Recordings(
                database=self._database,
                playback=playback,
                export=exporter(operations),
                clock=self._clock,
                viewing_idle_s=settings.control.viewing_idle_s,
                needs_approval=settings.control.viewing_needs_approval,
            ),
            clock=self._clock,
            host=settings.public_host,
            certificate_fingerprint=self._certificate.fingerprint,
            launcher=launcher_file,
            rdp_signer=lambda: self._rdp_signer,
            require_second_factor=settings.control.require_second_factor,
            not_ready=not_ready,
            follow=follow,
            pictures=pictures,
            node_loop=asyncio.get_running_loop(),
        )
        await server.PageServer(page, ASSETS, listener, self._certificate).run()

    def reload(self) -> None:
        """Read the certificates again; raise `ConfigError`."""
        if self._settings.control.listen:
            self._certificate.load(self._clock.now())
            self._read_signer()

    def _read_signer(self) -> None:
        """Do without where it cannot be read: unsigned files work, too."""
        rdp = self._settings.rdp
        try:
            self._rdp_signer = RDPSigner.load(
                rdp.signing_certificate_file, rdp.signing_key_file, credentials_dir()
            )
        except ConfigError as error:
            self._rdp_signer = None
            _log.warning(
                "rdp_files.unsigned",
                error=str(error),
                next_step="let the daemon's user read certificate and key, or add "
                "`LoadCredential=rdp-signing-key:FILE` to the unit, then reload",
            )


def _import_server() -> ModuleType:
    from control.web import server  # noqa: PLC0415 - a second, and 40 MB

    return server


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    try:
        [(family, kind, protocol, _, where), *_] = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(where)
            listener.listen(_BACKLOG)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise listen_error("control.listen", address, error) from error
    return listener
