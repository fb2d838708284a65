"""The handshake with a target, in the client's words and with the real credential. Sans-io.

    request ── TLS ── (certificate accepted) ── (NLA) ── conference ── joins ── Client Info

INVARIANT: nothing of the credential is used before `tls_started`, which is for whoever has
accepted the target's certificate to call.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct, structs

from protocols.errors import RemoteProtocolError
from protocols.rdp.acceptor import ClientSide
from protocols.rdp.credssp import CredSSPInitiator
from protocols.rdp.negotiation import answered
from protocols.rdp.opening import Opening
from protocols.rdp.steps import Ready, Send, StartTLS, Step
from protocols.rdp.wire import client_core, gcc, mcs, x224
from protocols.rdp.wire.client_info import SECURITY_FLAG, ClientInfo, InfoFlag
from protocols.rdp.wire.framing import DERSplitter, Splitter
from protocols.rdp.wire.redirection import Redirection
from protocols.rdp.wire.ts_request import PasswordCredentials

_LEFT_OUT: Final = frozenset(
    {gcc.Block.CLIENT_MESSAGE_CHANNEL, gcc.Block.CLIENT_MULTITRANSPORT}
)
"""The message channel carries autodetection and multitransport, which is UDP."""
_EXTENDED: Final = frozenset({gcc.Block.CLIENT_MONITOR, gcc.Block.CLIENT_MONITOR_EXTENDED})
"""Only for a target that says it takes them ([MS-RDPBCGR] 2.2.1.3)."""
_REDIRECTED_SESSION: Final = 0x02
"""`REDIRECTED_SESSIONID_FIELD_VALID` in the cluster block ([MS-RDPBCGR] 2.2.1.3.5)."""
_CLUSTER_BYTES: Final = 8
"""Of the cluster block: flags, and the session's number."""
_COMPRESSION_64K: Final = 1 << 9


class Logon(Struct, frozen=True, kw_only=True):
    """What opens the target, and what of the client it is to have."""

    host: str
    credentials: PasswordCredentials
    allowed_channels: frozenset[str]
    """Names of static channels, in small letters."""
    redirection: Redirection | None = None
    """What another target said when it sent us here."""
    opening: Opening | None = None
    """How the login begins where NLA is asked for; None is NTLM."""


class TargetSide(Struct, frozen=True, kw_only=True):
    """The numbers that the target gave."""

    user: int
    io_channel: int
    channel_ids: dict[int, int]
    """The target's static channels by the client's number; those that are refused lack."""
    compressed: bool
    """Whether it may compress what it sends: MPPC with 64 KiB of history."""
    checked: bool = False
    """Whether it has checked the credential before it shows anything: NLA."""


class Connector:
    """One handshake."""

    def __init__(self, client: ClientSide, logon: Logon) -> None:
        self._client, self._logon = client, logon
        self._splitter = Splitter()
        self._tokens = DERSplitter()
        self._packet: Callable[[bytes], list[Step]] = self._answered
        self._credssp: CredSSPInitiator | None = None
        self._secure = False
        self._selected = x224.Security.TLS
        self._extended = False
        self._user = 0
        self._network = gcc.ServerNetwork(io_channel=0, channels=())
        self._joining: list[int] = []
        self._early: list[bytes] = []
        allowed = logon.allowed_channels
        self._allowed = [
            (number, one)
            for number, one in zip(client.channel_ids, client.channels, strict=True)
            if one.name.lower() in allowed
        ]
        self.target: TargetSide | None = None
        """There once `Ready` was returned."""

    @property
    def refused_channels(self) -> tuple[str, ...]:
        """The names of the channels that the target never hears of."""
        allowed = {number for number, _ in self._allowed}
        pairs = zip(self._client.channel_ids, self._client.channels, strict=True)
        return tuple(one.name for number, one in pairs if number not in allowed)

    def start(self) -> list[Step]:
        """Begin."""
        offered = x224.Security.TLS | x224.Security.NLA
        redirection = self._logon.redirection
        token = b"" if redirection is None else redirection.token
        return [Send(x224.ConnectionRequest(protocols=offered, token=token).write())]

    def tls_started(self, public_key: bytes) -> list[Step]:
        """Go on under TLS, with a target whose certificate was accepted."""
        self._secure = True
        if self._selected & x224.Security.NLA:
            logon = self._logon
            self._credssp = CredSSPInitiator(
                logon.credentials, public_key, logon.host, logon.opening
            )
            return [Send(self._credssp.start())]
        return [self._initial()]

    def receive(self, data: bytes) -> list[Step]:
        """Take what the target sent.

        Raises `RemoteProtocolError` where it makes no sense, and `TargetUnreachableError`
        where the target says no.
        """
        if self._credssp is not None:
            return self._token_received(self._credssp, data)
        steps: list[Step] = []
        packets = self._splitter.feed(data)
        if packets and not self._secure and (len(packets) > 1 or self._splitter.take_rest()):
            raise RemoteProtocolError("bytes behind the answer, before TLS")
        for packet in packets:
            if self.target is None:
                steps += self._packet(packet)
            else:
                self._early.append(packet)
        return steps

    def take_rest(self) -> bytes:
        """Return what the target sent behind the handshake."""
        rest = b"".join(self._early) + self._splitter.take_rest()
        self._early.clear()
        return rest

    # --- steps

    def _token_received(self, credssp: CredSSPInitiator, data: bytes) -> list[Step]:
        steps: list[Step] = []
        token = self._tokens.feed(data)
        while token is not None:
            answer, last = credssp.receive(token)
            steps.append(Send(answer))
            if last:
                self._credssp = None
                return [*steps, self._initial()]
            token = self._tokens.feed(b"")
        return steps

    def _answered(self, packet: bytes) -> list[Step]:
        answer = answered(packet)
        self._selected = answer.selected
        self._extended = bool(answer.flags & x224.ResponseFlag.EXTENDED_CLIENT_DATA)
        self._packet = self._connected
        return [StartTLS()]

    def _initial(self) -> Send:
        user_data = gcc.write_request(self._blocks())
        return Send(structs.replace(self._client.initial, user_data=user_data).write())

    def _blocks(self) -> gcc.Blocks:
        blocks = []
        for kind, body in self._client.blocks:
            if kind in _LEFT_OUT or (kind in _EXTENDED and not self._extended):
                continue
            if kind == gcc.Block.CLIENT_NETWORK and not self._allowed:
                # Who wants no channel leaves the block out, as other clients do.
                continue
            blocks.append((kind, self._block(kind, body)))
        return blocks

    def _block(self, kind: int, body: bytes) -> bytes:
        match kind:
            case gcc.Block.CLIENT_CORE:
                return client_core.for_target(body, self._selected)
            case gcc.Block.CLIENT_NETWORK:
                return gcc.write_channels(tuple(one for _, one in self._allowed))
            case gcc.Block.CLIENT_CLUSTER if body:
                return self._cluster(body)
        return body

    def _cluster(self, body: bytes) -> bytes:
        redirection = self._logon.redirection
        if redirection is None or len(body) != _CLUSTER_BYTES:
            return bytes([body[0] & ~_REDIRECTED_SESSION]) + body[1:]
        number = redirection.session_id.to_bytes(4, "little")
        return bytes([body[0] | _REDIRECTED_SESSION]) + body[1:4] + number

    def _connected(self, packet: bytes) -> list[Step]:
        blocks = gcc.read_response(mcs.read_connect_response(packet))
        security = gcc.find(blocks, gcc.Block.SERVER_SECURITY)
        if security is not None and any(security[:4]):
            raise RemoteProtocolError("RDP's own encryption inside TLS")
        network = gcc.find(blocks, gcc.Block.SERVER_NETWORK)
        self._network = gcc.read_server_network(network, len(self._allowed))
        self._packet = self._attached
        return [Send(mcs.erect_domain() + mcs.attach_user())]

    def _attached(self, packet: bytes) -> list[Step]:
        self._user = mcs.read_attach_user_confirm(packet)
        network = self._network
        self._joining = [self._user, network.io_channel, *network.channels]
        self._packet = self._joined
        return [self._join()]

    def _join(self) -> Send:
        return Send(mcs.join(self._user, self._joining[0]))

    def _joined(self, packet: bytes) -> list[Step]:
        mcs.read_join_confirm(packet, self._joining.pop(0))
        if self._joining:
            return [self._join()]
        info = self._info()
        data = SECURITY_FLAG.to_bytes(4, "little") + info.write()
        numbers = (number for number, _ in self._allowed)
        self.target = TargetSide(
            user=self._user,
            io_channel=self._network.io_channel,
            channel_ids=dict(zip(numbers, self._network.channels, strict=True)),
            compressed=bool(info.flags & InfoFlag.COMPRESSION),
            checked=bool(self._selected & x224.Security.NLA),
        )
        return [Send(mcs.send_request(self._user, self._network.io_channel, data)), Ready()]

    def _info(self) -> ClientInfo:
        """Return Client Info with the real credential, and compression that can be replayed."""
        given, credentials = self._client.info, self._logon.credentials
        cleared = InfoFlag.COMPRESSION | InfoFlag.COMPRESSION_TYPE | InfoFlag.PASSWORD_IS_PIN
        cleared |= InfoFlag.SINGLE_PROGRAM | InfoFlag.SINGLE_PROGRAM_IN_COLOUR
        # A logon screen behind a logon that failed is not to be typed at on the record.
        flags = (given.flags & ~cleared) | InfoFlag.AUTOLOGON | InfoFlag.LOGON_ERRORS
        if given.compresses:
            flags |= InfoFlag.COMPRESSION | _COMPRESSION_64K
        return structs.replace(
            given,
            flags=flags,
            domain=credentials.domain,
            username=credentials.username,
            password=credentials.password,
            # Another program than the desktop would run beside what was agreed on.
            shell="",
            directory="",
        )
