"""Both ends of an RDP connection, scripted: what a client and a target say in turn."""

import secrets
from collections.abc import Iterable

import spnego

from protocols.rdp.acceptor import IO_CHANNEL, Acceptor, ClientSide, Offer
from protocols.rdp.connector import Connector, Logon, TargetSide
from protocols.rdp.ntlm_proof import nt_hash, response_key, session_base_key
from protocols.rdp.steps import ProofWanted, Send, StartTLS, Step
from protocols.rdp.wire import ber, gcc, mcs, slowpath, x224
from protocols.rdp.wire.client_info import SECURITY_FLAG, ClientInfo, InfoFlag
from protocols.rdp.wire.framing import DERSplitter, Splitter
from protocols.rdp.wire.ntlm import Challenge
from protocols.rdp.wire.ts_request import PasswordCredentials
from protocols.rdp.wire.virtual_channel import pieces

PUBLIC_KEY = b"\x30\x82" + bytes(range(200))
USERNAME, PASSWORD = "4nwfvf2nzjs8a", "jsOWFXqvCBKFHLUUPIE2Xc42"
CHANNELS = (
    gcc.StaticChannel("rdpdr", 0x80800000),
    gcc.StaticChannel("cliprdr", 0xC0A00000),
)
BOTH = Offer(nla=True, tls=True)
REAL = PasswordCredentials(domain="CORP", username="administrator", password="Real-S3cret")


def challenge() -> Challenge:
    return Challenge(
        server_challenge=bytes(range(8)), name="proxyd", file_time=133_000 * 10**12
    )


def core(early: int = 0x0502, *, width: int = 1024, height: int = 768) -> bytes:
    """A CLIENT_CORE block as xfreerdp writes one: 232 bytes."""
    block = bytearray(232)
    block[0:4] = (0x00080004).to_bytes(4, "little")
    block[4:8] = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    block[8:12] = (0xAA03CA01).to_bytes(4, "little")
    block[12:16] = (0x0407).to_bytes(4, "little")
    block[52:54] = (4).to_bytes(2, "little")
    block[136:138] = (24).to_bytes(2, "little")
    block[140:142] = early.to_bytes(2, "little")
    return bytes(block)


def client_blocks(channels: tuple[gcc.StaticChannel, ...] = CHANNELS) -> gcc.Blocks:
    return [
        (gcc.Block.CLIENT_CORE, core()),
        (gcc.Block.CLIENT_CLUSTER, b"\x0f\0\0\0" + bytes(4)),
        (gcc.Block.CLIENT_SECURITY, bytes(8)),
        (gcc.Block.CLIENT_NETWORK, gcc.write_channels(channels)),
        (gcc.Block.CLIENT_MESSAGE_CHANNEL, bytes(4)),
        (gcc.Block.CLIENT_MONITOR, bytes(12)),
        (gcc.Block.CLIENT_MULTITRANSPORT, bytes(4)),
    ]


def connect_initial(blocks: gcc.Blocks | None = None) -> mcs.ConnectInitial:
    before = (
        *(ber.Element(ber.OCTET_STRING, b"\1"),) * 2,
        ber.Element(b"\x01", b"\xff"),
        *(ber.Element(ber.SEQUENCE, ber.write_integer(65535) * 8),) * 3,
    )
    return mcs.ConnectInitial(
        before=before, user_data=gcc.write_request(blocks or client_blocks())
    )


COOKIE = bytes(range(100, 128))


def client_info(username: str = USERNAME, password: str = PASSWORD) -> ClientInfo:
    address = "127.0.0.1\0".encode("utf-16-le")
    extra = b"\x02\0" + len(address).to_bytes(2, "little") + address + b"\x02\0\0\0"
    extra += bytes(172) + bytes(4) + b"\x07\0\0\0" + b"\x1c\0" + COOKIE
    return ClientInfo(
        code_page=0x0409,
        flags=0x33 | InfoFlag.UNICODE | InfoFlag.COMPRESSION | 3 << 9,
        domain="WORKSTATION",
        username=username,
        password=password,
        shell="",
        directory="",
        extra=extra,
    )


def client_packets(
    info: ClientInfo | None = None, channels: tuple[gcc.StaticChannel, ...] = CHANNELS
) -> list[bytes]:
    """What a client sends under TLS and behind NLA, with the numbers of our acceptor."""
    ids = [IO_CHANNEL + 1 + number for number in range(len(channels))]
    user = IO_CHANNEL + 1 + len(channels)
    written = (info or client_info()).write()
    # `write` cuts the cookie off, which is what a real client does send.
    data = SECURITY_FLAG.to_bytes(4, "little") + written[:-2] + b"\x1c\0" + COOKIE
    return [
        connect_initial(client_blocks(channels)).write(),
        mcs.erect_domain(),
        mcs.attach_user(),
        *(mcs.join(user, channel) for channel in (user, IO_CHANNEL, *ids)),
        mcs.send_request(user, IO_CHANNEL, data),
    ]


def sent(steps: Iterable[Step]) -> bytes:
    return b"".join(step.data for step in steps if isinstance(step, Send))


def requested(acceptor: Acceptor, protocols: x224.Security) -> list[Step]:
    return acceptor.receive(x224.ConnectionRequest(protocols=protocols).write())


def logged_in(acceptor: Acceptor, packets: Iterable[bytes]) -> list[Step]:
    """Take an acceptor that offers TLS to its `LoginWanted`."""
    requested(acceptor, x224.Security.TLS)
    acceptor.tls_started()
    steps: list[Step] = []
    for packet in packets:
        steps += acceptor.receive(packet)
    return steps


def accepted_client(channels: tuple[gcc.StaticChannel, ...] = CHANNELS) -> ClientSide:
    acceptor = Acceptor(BOTH, PUBLIC_KEY, challenge())
    logged_in(acceptor, client_packets(channels=channels))
    assert acceptor.client is not None
    return acceptor.client


class NLAClient:
    """The client's part of CredSSP by pyspnego: an implementation that is not ours."""

    def __init__(self, protocol: str, password: str = PASSWORD, domain: str = "HOME") -> None:
        self.context = spnego.client(
            f"{domain}\\{USERNAME}",
            password,
            hostname="proxy",
            service="TERMSRV",
            protocol=protocol,
            options=spnego.NegotiateOptions.use_negotiate
            if protocol == "negotiate"
            else spnego.NegotiateOptions.none,
        )
        self.nonce = secrets.token_bytes(32)


def proof_of(step: Step, password: str = PASSWORD) -> bytes | None:
    """What control would answer."""
    assert isinstance(step, ProofWanted)
    attempt = step.attempt
    key = response_key(nt_hash(password), attempt.username, attempt.domain)
    return session_base_key(key, attempt.server_challenge, attempt.response)


class ScriptedTarget:
    """A target that answers what a connector sends."""

    def __init__(
        self,
        selected: x224.Security = x224.Security.TLS,
        user: int = 1010,
        *,
        extended: bool = False,
    ) -> None:
        self.selected, self.user = selected, user
        self.flags = x224.ResponseFlag.EXTENDED_CLIENT_DATA if extended else None
        self.heard: list[bytes] = []
        self.blocks: gcc.Blocks = []
        self.io_channel, self.first = 1003, 1020
        self._splitter = Splitter()

    def answer(self, data: bytes) -> bytes:
        return b"".join(self._answer(packet) for packet in self._splitter.feed(data))

    def _answer(self, packet: bytes) -> bytes:
        self.heard.append(packet)
        if not packet[0] & 0b11:  # FastPath, which asks for nothing.
            return b""
        if packet[5] == 0xE0:
            flags = self.flags or x224.ResponseFlag(0)
            return x224.ConnectionConfirm(selected=self.selected, flags=flags).write()
        if packet[7:9] == b"\x7f\x65":
            self.blocks = gcc.read_request(mcs.ConnectInitial.read(packet).user_data)
            return mcs.connect_response(gcc.write_response(self._response()))
        number, reader = mcs.domain_of(packet)
        if number == mcs.Domain.ATTACH_USER:
            return mcs.attach_user_confirm(self.user)
        if number == mcs.Domain.JOIN:
            return mcs.join_confirm(*mcs.read_join(reader))
        return b""

    def _response(self) -> gcc.Blocks:
        asked = gcc.read_channels(gcc.find(self.blocks, gcc.Block.CLIENT_NETWORK))
        ids = tuple(self.first + number for number in range(len(asked)))
        network = gcc.ServerNetwork(io_channel=self.io_channel, channels=ids)
        return [
            (gcc.Block.SERVER_CORE, bytes(12)),
            (gcc.Block.SERVER_NETWORK, gcc.write_server_network(network)),
            (gcc.Block.SERVER_SECURITY, bytes(8)),
        ]

    @property
    def redirected_session(self) -> int | None:
        """The number of a session that the client was redirected to."""
        cluster = gcc.find(self.blocks, gcc.Block.CLIENT_CLUSTER) or bytes(8)
        return int.from_bytes(cluster[4:8], "little") if cluster[0] & 0x02 else None

    @property
    def info(self) -> ClientInfo:
        """The Client Info that came last."""
        packet = self.heard[-1]
        return ClientInfo.read(packet[mcs.read_sent(packet).offset + 4 :])


def logon(*allowed: str) -> Logon:
    return Logon(host="target", credentials=REAL, allowed_channels=frozenset(allowed))


def connected(
    client: ClientSide, target: ScriptedTarget, *allowed: str
) -> tuple[Connector, TargetSide]:
    """Take a connector to its `Ready` at a target with TLS."""
    connector = Connector(client, logon(*allowed))
    steps = connector.start()
    while connector.target is None:
        if any(isinstance(step, StartTLS) for step in steps):
            steps = connector.tls_started(PUBLIC_KEY)
        steps = connector.receive(target.answer(sent(steps)))
    target.answer(sent(steps))
    return connector, connector.target


def share(kind: int, body: bytes = b"") -> bytes:
    """A share control PDU."""
    size = slowpath.SHARE_HEADER_BYTES + len(body)
    return size.to_bytes(2, "little") + (0x10 | kind).to_bytes(2, "little") + b"\xea\x03" + body


def capability(kind: int, body: bytes) -> bytes:
    return kind.to_bytes(2, "little") + (len(body) + 4).to_bytes(2, "little") + body


def active(sets: Iterable[tuple[int, bytes]], *, confirm: bool) -> bytes:
    """A Confirm Active or Demand Active."""
    joined = [capability(kind, body) for kind, body in sets]
    combined = len(joined).to_bytes(2, "little") + b"\0\0" + b"".join(joined)
    head = bytes(4) + (b"\xea\x03" if confirm else b"")
    sizes = (4).to_bytes(2, "little") + len(combined).to_bytes(2, "little")
    body = head + sizes + b"RDP\0" + combined + (b"" if confirm else bytes(4))
    return share(
        slowpath.Share.CONFIRM_ACTIVE if confirm else slowpath.Share.DEMAND_ACTIVE, body
    )


class Tokens:
    """Cuts what an acceptor sends into TSRequests."""

    def __init__(self) -> None:
        self._splitter = DERSplitter()

    def feed(self, data: bytes) -> bytes:
        token = self._splitter.feed(data)
        assert token is not None
        return token


def redirection(
    *,
    address: str = "",
    session_id: int = 0,
    token: bytes = b"",
    password: str = "",
    flags: int = 0,
) -> bytes:
    """A Server Redirection packet ([MS-RDPBCGR] 2.2.13.1)."""
    fields = [
        (0x1, (address + "\0").encode("utf-16-le") if address else b""),
        (0x2, token),
        (0x10, (password + "\0").encode("utf-16-le") if password else b""),
    ]
    body = session_id.to_bytes(4, "little")
    body += (flags | sum(bit for bit, value in fields if value)).to_bytes(4, "little")
    for _, value in fields:
        if value:
            body += len(value).to_bytes(4, "little") + value
    return b"\x00\x04" + (len(body) + 4).to_bytes(2, "little") + body


def crossing(data: bytes) -> bytes:
    """A piece of a clipboard's channel that crosses unread ([MS-RDPECLIP] 2.2.2.3)."""
    [piece] = pieces(b"\x06\0\0\0" + len(data).to_bytes(4, "little") + data)
    return piece
