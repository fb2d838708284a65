"""The legs of the packet relay, and with `client_leg` all that touches private names.

asyncssh does version exchange, key exchange, authentication and re-keying on each leg.
Once a leg is authenticated, this module takes the connection layer out of its hands:
whole packets are decrypted here, handed to the relay a burst at a time, and what the
relay forwards is encrypted for the other leg. `tests/unit/protocols/ssh/test_transport.py`
fails when an upgrade moves a name; the version is pinned in `setup.cfg`.

INVARIANT: from authentication on, no connection-layer packet reaches asyncssh's channels.
INVARIANT: while a leg is re-keying, what is sent to it is held in order, never dropped.
"""

import asyncio
import functools
import inspect
import time
from collections.abc import Callable
from typing import Any, Final

import asyncssh
import structlog
from asyncssh import encryption as asyncssh_encryption
from asyncssh.connection import SSHConnection
from asyncssh.constants import MSG_UNIMPLEMENTED
from asyncssh.packet import PacketDecodeError, SSHPacket, SSHPacketHandler

from protocols.errors import RemoteProtocolError
from protocols.ssh.ciphers import PacketGCM, PacketOpener
from protocols.ssh.farewell import Farewell
from protocols.ssh.packets import payload_of

WAITING_LIMIT_BYTES: Final = 1024 * 1024
"""What may wait to be sent, or for new keys, before the other leg is read no more."""
HELD_LIMIT_BYTES: Final = 256 * 1024
"""What a leg may send before the relay stands."""
TURN_BYTES: Final = 32 * 1024
"""A leg that was read so much of at once waits until the other one was looked at."""

_IGNORE = 2
_KEX_FIRST, _KEX_LAST = 30, 49
_NULL_IGNORE = (b"\0\0\0\0",)

_log: structlog.stdlib.BoundLogger = structlog.get_logger()
Receive = Callable[[list[bytes]], None]
"""Takes a burst of packet bodies; raises `RemoteProtocolError` where the peer misbehaves."""


def install() -> None:
    """Put our AES-GCM in asyncssh's table, and quiet its per-packet logging."""
    for name in (b"aes128-gcm@openssh.com", b"aes256-gcm@openssh.com"):
        _, cipher_name = asyncssh_encryption._enc_params[name]
        asyncssh_encryption._enc_params[name] = (PacketGCM, cipher_name)


class Leg(SSHConnection):
    """What both legs add to asyncssh's connection; mixed in before its class."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - asyncssh's own
        super().__init__(*args, **kwargs)
        self._receive: Receive | None = None
        self._ignored: Callable[[], None] = lambda: None
        self._opener: PacketOpener | None = None
        self._pauses: set[str] = set()
        self._paced: Leg | None = None
        self.on_closed: Callable[[Exception | None], None] | None = None
        """Is called once when the leg is gone, with what ended it."""
        self._deferred_bytes = 0
        self._gathered = b""
        """What a login sends in this turn of the loop."""
        self._clogged = False
        """Whether the peer reads more slowly than we write."""

    # --- what the relay and the gateway use

    @property
    def carrier(self) -> "Leg":
        """The leg that sends, and is slowed down: itself."""
        return self

    def pace(self, paced: "Leg | None") -> None:
        """Read `paced` no faster than this leg can send, and nobody else any more."""
        if paced is None:
            # Whoever slowed us down, or was held, is gone.
            for reason in ("peer", "rekey", "held"):
                self.resume(reason)
        elif self._clogged:
            paced.pause("peer")
        self._paced = paced

    def take_over(
        self,
        receive: Receive,
        paced: "Leg | None",
        ignored: Callable[[], None] = lambda: None,
    ) -> None:
        """Hand every packet to `receive`; read `paced` no faster than this leg can send.

        `ignored` is called for each SSH_MSG_IGNORE, at its place between the packets.
        """
        self._flush()
        self._receive, self._ignored = receive, ignored
        self._paced = paced
        self._forget_the_login()
        self._loop.call_soon(self._recv_data)

    def _forget_the_login(self) -> None:
        """Drop 6 KB that nobody asks for again: the next key exchange tells them anew."""
        self._server_sig_algs = set()
        if self._kex_complete:
            self._client_kexinit = self._server_kexinit = b""

    def pause(self, reason: str) -> None:
        """Read no more until `resume` was called with the same reason."""
        if not self._pauses and self._transport:
            self._transport.pause_reading()
        self._pauses.add(reason)

    def resume(self, reason: str) -> None:
        """Take one reason away; read on when none is left."""
        self._pauses.discard(reason)
        if not self._pauses and self._transport and not self._transport.is_closing():
            self._transport.resume_reading()

    def answer(self, bodies: list[bytes]) -> None:
        """Send what the peer itself has caused; hear it no more until it reads that."""
        self.send_bodies(bodies)
        if self._clogged:
            self.pause("answers")

    def send_bodies(self, bodies: list[bytes]) -> None:
        """Encrypt and send `bodies`, in one write where the cipher is AES-GCM."""
        cipher = self._send_encryption
        if self._transport is None:
            return
        if type(cipher) is not PacketGCM or not self._kex_complete:
            self._send_one_by_one(bodies)
            return
        if self._gathered:
            self._flush()
        sealed, sealed_bytes = cipher.seal_burst(bodies)
        self._transport.write(sealed)
        self._send_seq = (self._send_seq + len(bodies)) & 0xFFFFFFFF
        self._rekey_bytes_sent += sealed_bytes
        self._rekey_if_due()

    def _send_one_by_one(self, bodies: list[bytes]) -> None:
        for body in bodies:
            payload = payload_of(body)
            self.send_packet(payload[0], payload[1:])
        if self._kex_complete:
            return
        self._deferred_bytes += sum(map(len, bodies))
        # Two legs that re-key at once must not stop each other's key exchange.
        if (
            self._deferred_bytes > WAITING_LIMIT_BYTES
            and self._paced
            and self._paced._kex_complete
        ):
            self._paced.pause("rekey")

    def leave(self, code: int, text: str) -> None:
        """Say goodbye and close once everything sent was taken, or after a while anyhow."""
        transport = self._transport
        if not transport:
            return
        self._send_disconnect(code, text, "en-US")
        self._flush()
        self._transport = None
        Farewell(transport, self._loop).take(reading=self._auth_complete)
        self._loop.call_soon(self._cleanup, None)

    # --- asyncio's protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Bound what may wait to be sent."""
        super().connection_made(transport)
        if self._transport:
            self._transport.set_write_buffer_limits(high=WAITING_LIMIT_BYTES)

    def pause_writing(self) -> None:
        """Slow the other leg down: this one cannot send as fast."""
        self._clogged = True
        if self._paced:
            self._paced.pause("peer")

    def resume_writing(self) -> None:
        """Let the other leg go on."""
        self._clogged = False
        self.resume("answers")
        if self._paced:
            self._paced.resume("peer")

    # --- receiving

    def data_received(self, data: bytes, datatype: Any = None) -> None:  # noqa: ANN401
        """Take what was read."""
        if len(data) >= TURN_BYTES and not self._pauses:
            # libuv reads on while there is more: the other leg, whose windows this one
            # waits for, would not be heard for megabytes.
            self.pause("turn")
            self._loop.call_soon(self.resume, "turn")
        if self._receive and self._recv_handler == self._recv_pkthdr:
            self._relay(data, self._inpbuf)
        else:
            self._inpbuf += data
            self._recv_data()

    def _recv_pkthdr(self) -> bool:
        # asyncssh's own loop stops here as soon as the leg is authenticated.
        return False if self._auth_complete else super()._recv_pkthdr()

    def _recv_data(self) -> None:
        if not self._auth_complete:
            super()._recv_data()
        if self._receive and self._recv_handler == self._recv_pkthdr:
            self.resume("held")
            self._relay(self._inpbuf)
        elif len(self._inpbuf) > HELD_LIMIT_BYTES:
            # A peer that goes on sending while we think may not fill our memory.
            self.pause("held")
        elif "held" in self._pauses:
            self.resume("held")

    def _relay(self, received: bytes, held: bytes = b"") -> None:
        try:
            self._relay_packets(received, held)
        except asyncssh.DisconnectError as error:
            self._fail(error.code, error.reason, error)
        except RemoteProtocolError as error:
            self._fail(asyncssh.DISC_PROTOCOL_ERROR, str(error), error)
        except Exception:  # noqa: BLE001 - a defect of ours ends this connection and no other
            _log.exception("connection.failed")
            self.internal_error()

    def _fail(self, code: int, text: str, error: Exception) -> None:
        if self._transport:
            self._send_disconnect(code, text, "en-US")
            self._force_close(error)

    def _relay_packets(self, received: bytes, held: bytes) -> None:
        while self._transport and self._receive:
            bodies: list[bytes] = []
            cipher = self._recv_encryption
            if type(cipher) is PacketGCM:
                used, special = cipher.open_burst(received, bodies, held)
            else:
                received, held = held + received, b""
                used, special = self._open_otherwise(received, bodies)
            self._inpbuf = received[used - len(held) :] if used else held + received
            self._recv_seq = (self._recv_seq + len(bodies)) & 0xFFFFFFFF
            if bodies:
                if self._kex is not None:
                    # What we answer would be held until an exchange ends that need not end.
                    raise RemoteProtocolError("a channel's packet within a key exchange")
                self._receive(bodies)
            if special is None or not self._process_special(special):
                return
            received, held = self._inpbuf, b""

    def _open_otherwise(self, received: bytes, bodies: list[bytes]) -> tuple[int, bytes | None]:
        """Do what `PacketGCM.open_burst` does, for every other cipher."""
        cipher = self._recv_encryption
        if not cipher:
            raise RemoteProtocolError("a packet without encryption")
        if self._opener is None or self._opener.cipher is not cipher:
            self._opener = PacketOpener(cipher, self._recv_blocksize, self._recv_macsize)
        return self._opener.open_burst(received, self._recv_seq, bodies)

    def _process_special(self, body: bytes) -> bool:
        """Let asyncssh handle a transport-layer packet; return whether to go on at once."""
        sequence, packet = self._recv_seq, SSHPacket(payload_of(body))
        number = packet.get_byte()
        if number == _IGNORE:
            self._ignored()
        try:
            handler = self._handler_of(number)
            result = handler.process_packet(number, sequence, packet) if handler else True
        except PacketDecodeError as error:
            raise RemoteProtocolError(str(error)) from error
        if inspect.isawaitable(result):
            self._recv_handler = lambda: False
            task = self.create_task(result)
            finish = functools.partial(
                self._finish_recv_packet, number, sequence, is_async=True
            )
            task.add_done_callback(finish)
            return False
        if not result:
            self.send_packet(MSG_UNIMPLEMENTED, sequence.to_bytes(4, "big"))
            if self._clogged:
                self.pause("answers")
        self._finish_recv_packet(number, sequence)
        return True

    def _handler_of(self, number: int) -> SSHPacketHandler | None:
        """Return who processes a packet; None where it is a wrong guess to be skipped."""
        if number > _KEX_LAST:
            raise RemoteProtocolError(f"message {number} after authentication")
        if number < _KEX_FIRST:
            return self
        if self._ignore_first_kex:
            self._ignore_first_kex = False
            return None
        if self._kex is None:
            raise RemoteProtocolError("a key exchange message outside of an exchange")
        return self._kex

    # --- asyncssh's sending side

    def send_packet(
        self,
        pkttype: int,
        *args: bytes,
        handler: Any = None,  # noqa: ANN401 - asyncssh's own
    ) -> None:
        """Send a packet, without the empty one that asyncssh puts before each."""
        # It is a counter-measure for CBC, which is not offered, and doubles the packets.
        if pkttype == _IGNORE and args == _NULL_IGNORE:
            return
        super().send_packet(pkttype, *args, handler=handler)

    def _send(self, data: bytes) -> None:
        """Send, until the relay stands all of a turn at once: each write wakes the peer.

        On a virtual machine that costs more than what is written.
        """
        if self._receive is not None:
            super()._send(data)
            return
        if not self._gathered:
            self._loop.call_soon(self._flush)
        self._gathered += data

    def _flush(self) -> None:
        if self._gathered:
            gathered, self._gathered = self._gathered, b""
            super()._send(gathered)

    def _force_close(self, exc: Exception | None) -> None:
        self._flush()
        super()._force_close(exc)

    def _send_deferred_packets(self) -> None:
        super()._send_deferred_packets()
        self._deferred_bytes = 0
        if self._paced:
            self._paced.resume("rekey")

    def log_sent_packet(self, *_args: object, **_kwargs: object) -> None:
        """Format nothing: asyncssh does so for each packet, even when it logs none."""

    log_received_packet = log_sent_packet

    def _rekey_if_due(self) -> None:
        due = self._rekey_bytes_sent >= self._rekey_bytes
        if due or (self._rekey_seconds and time.monotonic() >= self._rekey_time):
            self._send_kexinit()
            self._kexinit_sent = True

    def _choose_alg(self, alg_type: str, local_algs: Any, remote_algs: Any) -> bytes:  # noqa: ANN401
        # Without strict key exchange chacha20-poly1305 is open to Terrapin (CVE-2023-48795).
        if alg_type == "encryption" and not self._strict_kex:
            local_algs = [name for name in local_algs if not name.startswith(b"chacha20")]
        return super()._choose_alg(alg_type, local_algs, remote_algs)

    def _cleanup(self, exc: Exception | None) -> None:
        super()._cleanup(exc)
        self._deferred_packets = []
        callback, self.on_closed = self.on_closed, None
        if callback:
            callback(exc)


class TargetLeg(Leg, asyncssh.SSHClientConnection):
    """The connection to the target: we are its client."""

    def __init__(self, options: asyncssh.SSHClientConnectionOptions) -> None:
        super().__init__(asyncio.get_running_loop(), options, wait="auth")
