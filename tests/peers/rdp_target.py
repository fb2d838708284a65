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


class TLSTarget:
    """Takes every login over TLS; what comes then is a matter of its kind."""

    def __init__(
        self, folder: Path, name: str, *, newest: ssl.TLSVersion | None = None
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
        self.port = 0
        self.sessions: list[ScriptedTarget] = []
        """What each client said, oldest first."""
        self.heard: list[bytes] = []
        """What each said under TLS during its handshake, whole packets or not."""
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def listening(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
        """Listen, where it did before unless told otherwise; yield the port."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Leg(self._accept), host, port or self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self.port
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()

    def _accept(self, leg: Leg) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(leg))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, leg: Leg) -> None:
        scripted, number = ScriptedTarget(), len(self.sessions)
        self.sessions.append(scripted)
        self.heard.append(b"")
        with contextlib.suppress(LegClosedError):
            leg.write(scripted.answer(await leg.read()))
            await leg.start_tls(self._context)
            while not is_info(scripted.heard[-1]):
                data = await leg.read()
                self.heard[number] += data
                leg.write(scripted.answer(data))
            await self._logged_on(leg, scripted)

    async def _logged_on(self, leg: Leg, scripted: ScriptedTarget) -> None:
        raise NotImplementedError


class OddTarget(TLSTarget):
    """Says one thing on the IO channel, and listens."""

    def __init__(
        self, folder: Path, name: str, says: bytes, *, newest: ssl.TLSVersion | None = None
    ) -> None:
        super().__init__(folder, name, newest=newest)
        self.says = says
        self.says_then: bytes | None = None
        """From the second client on, where that is something else."""

    async def _logged_on(self, leg: Leg, scripted: ScriptedTarget) -> None:
        is_first = len(self.sessions) == 1 or self.says_then is None
        says = self.says if is_first else self.says_then or b""
        leg.write(mcs.send_indication(mcs.USER_BASE + 1, IO_CHANNEL, says))
        await self._listen(leg, scripted)

    async def _listen(self, leg: Leg, scripted: ScriptedTarget) -> None:
        while True:
            scripted.answer(await leg.read())


def is_info(packet: bytes) -> bool:
    """Whether this is the Client Info that ends a client's part of a handshake."""
    if packet[5] == _CONNECTION_REQUEST or packet[7:8] == _CONNECT_INITIAL:
        return False
    number, _ = mcs.domain_of(packet)
    if number != mcs.Domain.SEND_DATA_REQUEST:
        return False
    return bool(packet[mcs.read_sent(packet).offset] & _INFO)
