"""The handshake with a user's client, up to its Client Info. Sans-io.

    request ── TLS ── (NLA) ── conference ── joins ── Client Info ──> who logs on?

All of it happens before anything is known of a target: its answers are made up here, and
`protocols.rdp.relay` maps them to the target's later.

INVARIANT: the handshake ends in `LoginWanted` at most; nothing here grants anything.
"""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from protocols.errors import RemoteProtocolError
from protocols.rdp.credssp import CredSSPAcceptor, Delegated
from protocols.rdp.steps import LoginWanted, Refused, Send, StartTLS, Step
from protocols.rdp.wire import gcc, licensing, mcs, slowpath, x224
from protocols.rdp.wire.client_core import ClientCore
from protocols.rdp.wire.client_info import SECURITY_FLAG, ClientInfo
from protocols.rdp.wire.cursor import Reader
from protocols.rdp.wire.errinfo import ErrorInfo
from protocols.rdp.wire.framing import DERSplitter, Splitter
from protocols.rdp.wire.ntlm import Challenge

IO_CHANNEL: Final = 1003
"""As Windows numbers it ([MS-RDPBCGR] 4.1.4)."""
_VERSION: Final = 0x0008_0004
"""RDP 5 and later ([MS-RDPBCGR] 2.2.1.4.2)."""
_SECURITY_HEADER_BYTES: Final = 4
_MOST_PACKETS: Final = 64
"""With 31 channels a client says 38 of them at most; each one costs us an answer."""


class ClientSide(Struct, frozen=True, kw_only=True):
    """What the handshake found out about the client, and the numbers that it was given."""

    initial: mcs.ConnectInitial
    blocks: gcc.Blocks
    core: ClientCore
    channels: tuple[gcc.StaticChannel, ...]
    channel_ids: tuple[int, ...]
    user: int
    """Its user channel."""
    info: ClientInfo

    def channel_id(self, name: str) -> int | None:
        """Return the number of a static channel; None where it asked for none of that name."""
        named = zip(self.channels, self.channel_ids, strict=True)
        return next((number for one, number in named if one.name.lower() == name), None)


class Offer(Struct, frozen=True, kw_only=True):
    """What clients are let in with: `[rdp] client_security`."""

    nla: bool
    tls: bool


class Acceptor:
    """One handshake."""

    def __init__(self, offer: Offer, public_key: bytes, challenge: Challenge) -> None:
        """Take a client with what `offer` says; the rest is for NLA."""
        self._offer = offer
        self._credssp = CredSSPAcceptor(public_key, challenge)
        self._splitter = Splitter()
        self._tokens = DERSplitter()
        self._packet: Callable[[bytes], list[Step]] = self._request
        self._nla = False
        self._secure = False
        self._came = 0
        """How many packets and tokens."""
        self._delegated: Delegated | None = None
        self._requested = x224.Security(0)
        self._initial: mcs.ConnectInitial | None = None
        self._blocks: gcc.Blocks = []
        self._channels: tuple[gcc.StaticChannel, ...] = ()
        self._over = False
        self._early = b""
        self.client: ClientSide | None = None
        """There once `LoginWanted` was returned."""

    # --- what the edge calls

    def receive(self, data: bytes) -> list[Step]:
        """Take what the client sent; raise `RemoteProtocolError` where it makes no sense."""
        if self._over:
            self._early += data
            return []
        if self._nla and self._secure and self._delegated is None:
            return self._tokens_received(data)
        return self._packets_received(data)

    def tls_started(self) -> list[Step]:
        """Go on under TLS."""
        self._secure = True
        return []

    def proved(self, base_key: bytes) -> list[Step]:
        """Go on with a client whose NTLM answer was proved."""
        return self._steps(self._credssp.proved(base_key))

    def unproved(self) -> list[Step]:
        """Refuse the login where NLA says so."""
        return self._steps(self._credssp.unproved())

    def denial(self, code: ErrorInfo) -> bytes:
        """Return what tells the client, and so its user, why the session ends here."""
        user, channel = slowpath.SERVER_USER, IO_CHANNEL
        return (
            mcs.send_indication(user, channel, licensing.valid_client())
            + mcs.send_indication(user, channel, slowpath.set_error_info(code))
            + mcs.disconnect()
        )

    def take_rest(self) -> bytes:
        """Return what the client sent behind its Client Info."""
        rest, self._early = self._early, b""
        return rest

    # --- steps

    def _tokens_received(self, data: bytes) -> list[Step]:
        steps: list[Step] = []
        token = self._tokens.feed(data)
        while token is not None:
            self._count()
            steps += self._steps(self._credssp.receive(token))
            if self._delegated is not None:
                return steps + self._packets_received(self._tokens.take_rest())
            token = self._tokens.feed(b"")
        return steps

    def _steps(self, steps: list[Step | Delegated]) -> list[Step]:
        for step in steps:
            if isinstance(step, Delegated):
                self._delegated = step
        return [step for step in steps if not isinstance(step, Delegated)]

    def _packets_received(self, data: bytes) -> list[Step]:
        steps: list[Step] = []
        packets = self._splitter.feed(data)
        if not self._secure and (self._requested or len(packets) > 1):
            raise RemoteProtocolError("bytes behind the request, before TLS")
        for number, packet in enumerate(packets):
            if self._over:
                self._early = b"".join(packets[number:])
                break
            self._count()
            steps += self._packet(packet)
        if self._over:
            self._early += self._splitter.take_rest()
        elif not self._secure and steps and self._splitter.take_rest():
            raise RemoteProtocolError("bytes behind the request, before TLS")
        return steps

    def _count(self) -> None:
        """Hear nobody for ever who does not say who he is."""
        self._came += 1
        if self._came > _MOST_PACKETS:
            raise RemoteProtocolError(f"more than {_MOST_PACKETS} packets before a login")

    def _request(self, packet: bytes) -> list[Step]:
        request = x224.ConnectionRequest.read(packet)
        refusal = self._objection(request)
        if refusal is not None:
            self._over = True
            name = refusal.name.lower()
            return [Send(x224.ConnectionRefusal(refusal).write()), Refused(name)]
        self._requested = request.protocols
        self._nla = self._offer.nla and bool(request.protocols & x224.Security.NLA)
        selected = x224.Security.NLA if self._nla else x224.Security.TLS
        confirm = x224.ConnectionConfirm(
            selected=selected, flags=x224.ResponseFlag.EXTENDED_CLIENT_DATA
        )
        self._packet = self._conference
        return [Send(confirm.write()), StartTLS()]

    def _objection(self, request: x224.ConnectionRequest) -> x224.FailureCode | None:
        """Return why this client is not served; None where it is."""
        asked = request.protocols
        if request.flags:
            # Restricted admin and remote guard bring no password to substitute.
            return x224.FailureCode.INCONSISTENT_FLAGS
        if self._offer.nla and asked & x224.Security.NLA:
            return None
        if not self._offer.tls:
            return x224.FailureCode.NLA_REQUIRED
        if not asked & x224.Security.TLS:
            return x224.FailureCode.TLS_REQUIRED
        return None

    def _conference(self, packet: bytes) -> list[Step]:
        initial = self._initial = mcs.ConnectInitial.read(packet)
        self._blocks = gcc.read_request(initial.user_data)
        ClientCore.read(gcc.find(self._blocks, gcc.Block.CLIENT_CORE))
        self._channels = gcc.read_channels(gcc.find(self._blocks, gcc.Block.CLIENT_NETWORK))
        network = gcc.ServerNetwork(io_channel=IO_CHANNEL, channels=self._channel_ids)
        core = b"".join(word.to_bytes(4, "little") for word in (_VERSION, self._requested, 0))
        answer = gcc.write_response(
            [
                (gcc.Block.SERVER_CORE, core),
                (gcc.Block.SERVER_NETWORK, gcc.write_server_network(network)),
                # No encryption of RDP's own: that is what TLS is for.
                (gcc.Block.SERVER_SECURITY, bytes(8)),
            ]
        )
        self._packet = self._domain
        return [Send(mcs.connect_response(answer))]

    def _domain(self, packet: bytes) -> list[Step]:
        number, reader = mcs.domain_of(packet)
        handle = self._domain_handlers.get(number)
        if handle is None:
            raise RemoteProtocolError(f"MCS PDU {number} during the handshake")
        return handle(packet, reader)

    @property
    def _domain_handlers(self) -> Mapping[int, Callable[[bytes, Reader], list[Step]]]:
        return {
            mcs.Domain.ERECT_DOMAIN: lambda _packet, _reader: [],
            mcs.Domain.ATTACH_USER: self._attached,
            mcs.Domain.JOIN: self._joined,
            mcs.Domain.SEND_DATA_REQUEST: self._sent,
            mcs.Domain.DISCONNECT: lambda _packet, _reader: [Refused("the client left")],
        }

    def _attached(self, _packet: bytes, _reader: Reader) -> list[Step]:
        return [Send(mcs.attach_user_confirm(self._user))]

    def _joined(self, _packet: bytes, reader: Reader) -> list[Step]:
        user, channel = mcs.read_join(reader)
        if user != self._user or channel not in {IO_CHANNEL, user, *self._channel_ids}:
            raise RemoteProtocolError(f"the join of channel {channel}, which is not there")
        return [Send(mcs.join_confirm(user, channel))]

    def _sent(self, packet: bytes, _reader: Reader) -> list[Step]:
        sent = mcs.read_sent(packet)
        reader = Reader(packet, sent.offset)
        if sent.channel != IO_CHANNEL or not reader.u16() & SECURITY_FLAG:
            raise RemoteProtocolError("no Client Info where it belongs")
        info = ClientInfo.read(packet[sent.offset + _SECURITY_HEADER_BYTES :])
        return [self._login(info)]

    def _login(self, info: ClientInfo) -> LoginWanted:
        if self._initial is None:
            raise RemoteProtocolError("Client Info before the conference")
        self._over = True
        self.client = ClientSide(
            initial=self._initial,
            blocks=self._blocks,
            core=ClientCore.read(gcc.find(self._blocks, gcc.Block.CLIENT_CORE)),
            channels=self._channels,
            channel_ids=self._channel_ids,
            user=self._user,
            info=info,
        )
        if self._delegated is not None:
            # What Client Info says in this mode may be empty, and proves nothing.
            return LoginWanted(login_name(self._delegated.username), self._delegated.password)
        return LoginWanted(login_name(info.username), info.password)

    @property
    def _channel_ids(self) -> tuple[int, ...]:
        return tuple(range(IO_CHANNEL + 1, IO_CHANNEL + 1 + len(self._channels)))

    @property
    def _user(self) -> int:
        return IO_CHANNEL + 1 + len(self._channels)


def login_name(username: str) -> str:
    """Return a user name without a domain before or behind it, in small letters."""
    return username.rpartition("\\")[2].partition("@")[0].lower()
