"""The user's end of the packet relay: how a client is greeted, and how far it may go.

INVARIANT: before it is authenticated a client costs little, whatever it sends.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import asyncssh
from asyncssh.constants import MSG_KEXINIT
from asyncssh.packet import SSHPacket

from protocols.ssh import algorithms
from protocols.ssh.own_login import Outcome, key_line, nobody
from protocols.ssh.transport import Leg

OFFER_LIMIT_S: Final = 0.25
"""How long our list of algorithms waits for the client's."""
GREETING_PACKETS: Final = 100
GREETING_BYTES: Final = 35_000
"""How many packets a client may send before it is authenticated, and how large each.

A login takes a dozen packets, and RFC 4253 6.1 asks us to take this size and no larger.
"""


class ClientLeg(Leg, asyncssh.SSHServerConnection):
    """The connection to the user's client: we are its server.

    Of the ciphers that a client can do, its own order decides, and OpenSSH's puts the
    cheap ones last. So our offer waits for the client's where the client is known to
    send it unasked, and names what we prefer among what it can do.
    """

    def __init__(self, options: asyncssh.SSHServerConnectionOptions) -> None:
        super().__init__(asyncio.get_running_loop(), options)
        self._server_host_key_algs = algorithms.without_sha1(options.server_host_keys)
        self._offer: asyncio.TimerHandle | None = None
        self._greetings = 0
        self.may_fail: Callable[[], bool] = lambda: False
        """Is asked about each failed attempt; says whether another is allowed."""
        self.key_proven: Callable[[str, str], Awaitable[Outcome]] = nobody
        """Is told of each name and public key whose signature held."""

    @property
    def peer_address(self) -> str:
        """The client's IP address."""
        return self._peer_addr

    def _recv_pkthdr(self) -> bool:
        if not super()._recv_pkthdr():
            return False
        self._greetings += 1
        if self._greetings > GREETING_PACKETS or self._pktlen > GREETING_BYTES:
            raise asyncssh.ProtocolError("too much before authentication")
        return True

    def _recv_version(self) -> bool:
        line, newline, _ = bytes(self._inpbuf[:256]).partition(b"\n")
        if newline and algorithms.offers_unasked(line.decode("ascii", "replace")):
            self._offer = self._loop.call_later(OFFER_LIMIT_S, self._make_offer)
        going_on = super()._recv_version()
        if self._offer:
            self._kexinit_sent = False
        return going_on

    def _send_kexinit(self) -> None:
        if self._offer is None:
            super()._send_kexinit()

    def _make_offer(self) -> None:
        self._offer = None
        if self._transport:
            self._send_kexinit()
            self._kexinit_sent = True

    def _process_kexinit(self, number: int, sequence: int, packet: SSHPacket) -> Any:  # noqa: ANN401
        if self._offer:
            self._offer.cancel()
            self._offer = None
            self._enc_algs = algorithms.preferred(packet.get_full_payload())
        return super()._process_kexinit(number, sequence, packet)

    _packet_handlers = {  # noqa: RUF012 - asyncssh's own table, which holds functions
        **asyncssh.SSHServerConnection._packet_handlers,
        MSG_KEXINIT: _process_kexinit,
    }

    async def reload_config(self) -> None:
        """Do nothing: asyncssh would read all host keys again for each login, 100 ms long."""

    def banner(self, text: str) -> None:
        """Show a line before authentication (RFC 4252 5.4)."""
        self.send_auth_banner(text + "\r\n")

    async def validate_public_key(
        self, username: str, key_data: bytes, msg: bytes, signature: bytes
    ) -> bool:
        """Judge a key only once it has signed; an offer is answered and decides nothing."""
        good = await super().validate_public_key(username, key_data, msg, signature)
        if not (good and msg):
            return good
        outcome = await self.key_proven(username, key_line(key_data))
        if outcome is Outcome.CONTINUES:
            # RFC 4252 5.1: right so far, and more is wanted. It counts as no failure.
            super().send_userauth_failure(True)  # noqa: FBT003 - asyncssh's own
        return outcome is Outcome.COMPLETE

    def send_userauth_failure(self, partial_success: bool) -> None:  # noqa: FBT001 - asyncssh's
        """Count the failure; disconnect when it was one too many."""
        if self.may_fail():
            super().send_userauth_failure(partial_success)
        else:
            reason = "Too many authentication failures"
            self._fail(asyncssh.DISC_PROTOCOL_ERROR, reason, asyncssh.PermissionDenied(reason))

    def refuse(self, line: str) -> None:
        """Turn away a connection that was just made, before any protocol."""
        if self._transport:
            self._flush()
            self._transport.write(line.encode() + b"\r\n")
            self._transport.close()
            self._transport = None
            self._loop.call_soon(self._cleanup, None)
