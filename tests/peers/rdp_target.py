"""RDP targets that do what no server installed here does: by this repository's own machines."""

import asyncio
import contextlib
import ssl
import warnings
from collections.abc import AsyncIterator
from pathlib import Path

from peers.certificates import Authority
from samples.rdp import ScriptedTarget

from protocols.rdp.acceptor import IO_CHANNEL
from protocols.rdp.certificates import fingerprint
from protocols.rdp.leg import Leg, LegClosedError
from protocols.rdp.wire import mcs

_CONNECTION_REQUEST = 0xE0
_CONNECT_INITIAL = b"\x7f"
_INFO = 0x0040


class OddTarget:
    """Takes every login over TLS, then says one thing on the IO channel, and listens."""

    def __init__(
        self, folder: Path, name: str, says: bytes, *, newest: ssl.TLSVersion | None = None
    ) -> None:
        signed = Authority(folder, name).sign(name)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(signed.certificate, signed.key)
        if newest is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                self._context.minimum_version = ssl.TLSVersion.TLSv1
                self._context.maximum_version = newest
            self._context.set_ciphers("DEFAULT:@SECLEVEL=0")
        der = ssl.PEM_cert_to_DER_cert(signed.certificate.read_text())
        self.fingerprint = fingerprint(der)
        self.says = says
        self.says_then: bytes | None = None
        """From the second client on, where that is something else."""
        self.sessions: list[ScriptedTarget] = []
        """What each client said, oldest first."""
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def listening(self, host: str, port: int = 0) -> AsyncIterator[int]:
        """Listen; yield the port."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Leg(self._accept), host, port)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()

    def _accept(self, leg: Leg) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(leg))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, leg: Leg) -> None:
        scripted = ScriptedTarget()
        self.sessions.append(scripted)
        with contextlib.suppress(LegClosedError):
            leg.write(scripted.answer(await leg.read()))
            await leg.start_tls(self._context)
            while not _is_info(scripted.heard[-1]):
                leg.write(scripted.answer(await leg.read()))
            is_first = len(self.sessions) == 1 or self.says_then is None
            says = self.says if is_first else self.says_then or b""
            leg.write(mcs.send_indication(mcs.USER_BASE + 1, IO_CHANNEL, says))
            await self._listen(leg, scripted)

    async def _listen(self, leg: Leg, scripted: ScriptedTarget) -> None:
        while True:
            scripted.answer(await leg.read())


def _is_info(packet: bytes) -> bool:
    if packet[5] == _CONNECTION_REQUEST or packet[7:8] == _CONNECT_INITIAL:
        return False
    number, _ = mcs.domain_of(packet)
    if number != mcs.Domain.SEND_DATA_REQUEST:
        return False
    return bool(packet[mcs.read_sent(packet).offset] & _INFO)
