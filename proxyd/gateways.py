"""The gateways of one engine, as one: what users reach, and what commands reach users by."""

import asyncio
import datetime as dt
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

from msgspec import Struct

from config.errors import ConfigError
from config.model import Settings
from control.gateway_certificate import fingerprint, usable_certificate
from control.gateway_keys import public_halves, usable_host_keys
from protocols.ports import GrantBroker
from protocols.rdp import served_session as rdp
from protocols.rdp.certificates import subject_public_key
from protocols.rdp.gateway import RDPGateway
from protocols.rdp.kerberos_extra import check_kerberos
from protocols.ssh.gateway import SSHGateway
from protocols.ssh.served_session import Surroundings as SSHSurroundings
from proxyd.metrics import Metrics, watch
from proxyd.service import leaves, listen_error
from recorder.events import EndReason
from recorder.ports import Clock
from recorder.recorders import Recorders
from recorder.session_info import TargetProtocol

_Serve = Callable[[Callable[[], None]], Awaitable[None]]
_NO_MESSAGE: Final = "RDP clients show no message while a session goes on"
_NO_PAUSE: Final = "a desktop cannot be paused, for its user could not be told: end it instead"


class GatewayKeys(Struct, frozen=True, kw_only=True):
    """What gateways prove themselves with to users."""

    host_keys: Sequence[Path]
    certificate: tuple[Path, Path] | None
    """What RDP clients see, with its chain, and its key: PEM. None: no such gateway."""


def usable_keys(settings: Settings, now: dt.datetime) -> GatewayKeys:
    """Return the keys of the gateways that are asked for; raise `ConfigError`."""
    check_kerberos(settings.rdp)
    certificate = usable_certificate(settings, now) if settings.rdp.listen else None
    return GatewayKeys(host_keys=usable_host_keys(settings.state_dir), certificate=certificate)


def shown(keys: GatewayKeys) -> tuple[tuple[str, ...], str]:
    """Return what users are shown: the host keys, and a certificate's fingerprint or ""."""
    certificate = "" if keys.certificate is None else fingerprint(keys.certificate[0])
    return public_halves(keys.host_keys), certificate


class Around(Struct, frozen=True, kw_only=True):
    """What every session of an engine shares."""

    engine_id: str
    broker: GrantBroker
    recorders: Recorders
    clock: Clock


class Gateways:
    """Those that the settings ask for."""

    def __init__(
        self, settings: Settings, around: Around, keys: GatewayKeys, metrics: Metrics
    ) -> None:
        """Make them; raise `ConfigError` where one cannot work."""
        self._settings = settings
        ssh_around = SSHSurroundings(
            settings=settings.ssh,
            capture_limit_bytes=settings.recorder.capture_limit_bytes,
            site=settings.site,
            engine_id=around.engine_id,
            broker=around.broker,
            recorders=around.recorders,
            clock=around.clock,
        )
        try:
            self._ssh = SSHGateway(ssh_around, keys.host_keys)
        except ImportError as error:
            raise ConfigError(
                f"ssh.relay is {settings.ssh.relay.value}, which cannot work: {error}; set it "
                "to auto, or install the version of asyncssh that this release names"
            ) from error
        rdp_around = rdp.Surroundings(
            settings=settings.rdp,
            site=settings.site,
            engine_id=around.engine_id,
            broker=around.broker,
            recorders=around.recorders,
            clock=around.clock,
        )
        self._rdp = None
        if keys.certificate is not None:
            self._rdp = RDPGateway(rdp_around, _rdp_keys(*keys.certificate))
        crossed = (ssh_around.crossed_bytes, rdp_around.crossed_bytes)
        self._measure(metrics, crossed)

    @property
    def live_sessions(self) -> tuple[UUID, ...]:
        """The sessions that go on now."""
        desktops = self._rdp.live_sessions if self._rdp else ()
        return self._ssh.live_sessions + desktops

    @property
    def listening(self) -> dict[TargetProtocol, list[tuple[str, int]]]:
        """Where users reach each protocol, with the real ports."""
        desktops = self._rdp.addresses if self._rdp else []
        return {TargetProtocol.SSH: self._ssh.addresses, TargetProtocol.RDP: desktops}

    @property
    def all_listen(self) -> bool:
        """Whether each that is asked for listens."""
        wanted = {
            TargetProtocol.SSH: self._settings.ssh.listen,
            TargetProtocol.RDP: self._settings.rdp.listen,
        }
        return all(bool(at) or not wanted[protocol] for protocol, at in self.listening.items())

    async def serve(self, listening: Callable[[], None]) -> None:
        """Serve until cancelled; call `listening` once all of them listen.

        Raises `StartError` where one cannot.
        """
        async with asyncio.TaskGroup() as tasks:
            for serve, table, addresses in self._serving():
                listens = asyncio.Event()
                tasks.create_task(_listen(serve, table, addresses, listens.set))
                await listens.wait()
            listening()

    def _serving(self) -> list[tuple[_Serve, str, tuple[str, ...]]]:
        settings = self._settings
        serving: list[tuple[_Serve, str, tuple[str, ...]]] = [
            (self._ssh.serve, "ssh.listen", settings.ssh.listen)
        ]
        if self._rdp:
            serving.append((self._rdp.serve, "rdp.listen", settings.rdp.listen))
        return serving

    def terminate(self, session_id: UUID, reason: EndReason, text: str) -> bool:
        """End a session, telling its user; say whether it was there."""
        if self._ssh.terminate(session_id, reason, text):
            return True
        return self._rdp is not None and self._rdp.terminate(session_id, reason, text)

    def message(self, session_id: UUID, text: str) -> str:
        """Show `text` to the user of a session; return why not, or nothing."""
        if self._rdp is not None and session_id in self._rdp.live_sessions:
            return _NO_MESSAGE
        return "" if self._ssh.message(session_id, text) else "the session is not there"

    def pause(self, session_id: UUID, text: str, *, paused: bool) -> str:
        """Let nothing cross a session, or let it cross again; return why not, or nothing."""
        if self._rdp is not None and session_id in self._rdp.live_sessions:
            return _NO_PAUSE
        done = self._ssh.pause(session_id, text, paused=paused)
        return "" if done else "the session is not there"

    async def drain(self, text: str, limit_s: float) -> None:
        """Stop listening, tell every user, and end what still goes on after `limit_s`."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._ssh.drain(text, limit_s))
            if self._rdp is not None:
                tasks.create_task(self._rdp.drain(text, limit_s))

    def _measure(self, metrics: Metrics, crossed: tuple[list[int], list[int]]) -> None:
        gateways = {TargetProtocol.SSH: self._ssh, TargetProtocol.RDP: self._rdp}
        for protocol, gateway in gateways.items():
            if gateway is not None:
                active = metrics.sessions_active.labels(protocol=protocol.value)
                watch(active, partial(_count, gateway))
        for direction, side in (("from_client", 0), ("from_target", 1)):
            metrics.relay_bytes_total.read(partial(_total, crossed, side), direction)


def _count(gateway: SSHGateway | RDPGateway) -> int:
    return len(gateway.live_sessions)


def _total(crossed: tuple[list[int], list[int]], side: int) -> int:
    return sum(one[side] for one in crossed)


def _rdp_keys(certificate: Path, key: Path) -> rdp.Keys:
    """Return what RDP clients are shown; raise `ConfigError` where it cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
        pem = certificate.read_text("ascii")
    except (OSError, ssl.SSLError, ValueError) as error:
        raise ConfigError(
            f"{certificate} and {key} are no certificate and its key: {error}"
        ) from error
    first = pem[: pem.index(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)] + "\n"
    public_key = subject_public_key(
        ssl.PEM_cert_to_DER_cert(first[first.index(ssl.PEM_HEADER) :])
    )
    return rdp.Keys(context=context, public_key=public_key)


async def _listen(
    serve: _Serve,
    name: str,
    addresses: tuple[str, ...],
    listening: Callable[[], None],
) -> None:
    try:
        await serve(listening)
    except* OSError as group:
        where = ", ".join(addresses)
        for error in leaves(group):
            raise listen_error(name, where, error) from error
