"""What reads a live RDP session, whose client and target are strangers both."""

from collections.abc import Callable
from typing import Final

from fuzz.turns import turns
from samples import devices, rdp

from protocols.rdp.acceptor import Acceptor
from protocols.rdp.capabilities import confirm_active, demand_active
from protocols.rdp.clipboard_policy import ClipboardPolicy, ClipboardTerms
from protocols.rdp.dynamic_channel import DynamicChannels
from protocols.rdp.followed import Followed
from protocols.rdp.relay import Relay, Side
from protocols.rdp.sound_channel import SoundChannel
from protocols.rdp.wire import gcc, logon_info, mcs, slowpath, virtual_channel
from protocols.rdp.wire.client_core import ClientCore
from protocols.rdp.wire.client_info import ClientInfo
from protocols.rdp.wire.ntlm import Authenticate
from protocols.rdp.wire.printers import read_settings
from protocols.rdp.wire.redirection import Redirection
from protocols.rdp.wire.spnego import Init
from protocols.rdp.wire.ts_request import PasswordCredentials, TSRequest
from protocols.rdp.wire.x224 import ConnectionRequest, Security, read_answer
from recorder.events import EndReason, KnownEvent


class _NoSink:
    """Records nothing."""

    congested = False

    def at_ms(self) -> int:
        return 0

    def record(self, events: list[KnownEvent]) -> None:
        """Forget them."""

    async def drain(self) -> None:
        """Nothing waits."""

    async def close(self, reason: EndReason, detail: str = "") -> None:
        """Nothing to close."""


def _rdp_login(data: bytes) -> None:
    """A client under TLS that sends what it likes."""
    acceptor = Acceptor(rdp.BOTH, rdp.PUBLIC_KEY, rdp.challenge())
    rdp.logged_in(acceptor, [data])


def _rdp_nla(data: bytes) -> None:
    acceptor = Acceptor(rdp.BOTH, rdp.PUBLIC_KEY, rdp.challenge())
    rdp.requested(acceptor, Security.NLA)
    acceptor.tls_started()
    acceptor.receive(data)


_CLIENT: Final = rdp.accepted_client()

_TARGET: Final = rdp.connected(_CLIENT, rdp.ScriptedTarget(), "cliprdr")[1]


def _rdp_relay(data: bytes) -> None:
    """Both sides in turn; the header of a piece is made right, so that more is reached."""
    relay = Relay(_CLIENT, _TARGET, _NoSink())
    for side, piece in turns(data):
        relay.receive(Side(side), piece)
        channel = (1003, 1005)[len(piece) & 1]
        write = (mcs.send_request, mcs.send_indication)[side]
        relay.receive(Side(side), write((1006, 1010)[side], channel, piece))


def _rdp_clipboard(data: bytes) -> None:
    """Both sides in turn, each piece a message of its own."""
    policy = ClipboardPolicy(ClipboardTerms())
    for side, piece in turns(data):
        for part in virtual_channel.pieces(piece):
            policy.take(part, from_client=not side)


def _follow(followed: Followed, data: bytes) -> None:
    """Both sides in turn: each piece as it is, and as a message of its own."""
    for side, piece in turns(data):
        for part in (*virtual_channel.pieces(piece), piece):
            followed.take(0, part, from_client=not side)
    followed.end(0)


def _rdp_devices(data: bytes) -> None:
    """A file is open, so that what comes may be about it."""
    talk = devices.conversation()
    talk.target(devices.create("\\a")).client(devices.opened())
    _follow(talk.channel, data)


def _rdp_device_requests(data: bytes) -> None:
    """What is asked of an open file and answered, behind right headers."""
    talk = devices.conversation()
    talk.target(devices.create("\\a")).client(devices.opened())
    for completion, (side, piece) in enumerate(turns(data), 1):
        if side:
            talk.client(devices.done(completion - 1, data=piece))
        else:
            talk.target(devices.asked(len(piece) & 0x13, completion, piece))
    talk.end()


def _rdp_dynamic(data: bytes) -> None:
    channels = DynamicChannels(frozenset({"x"}))
    [opening] = virtual_channel.pieces(b"\x10\x01x\0")
    channels.take(0, opening, from_client=False)
    _follow(channels, data)


def _rdp_sound(data: bytes) -> None:
    _follow(SoundChannel(), data)


def _rdp_shares(data: bytes) -> None:
    for kind, reduced in ((3, confirm_active), (1, demand_active)):
        reduced(rdp.share(kind, data))
    slowpath.without_reconnect_cookie(rdp.share(7, data))
    logon_info.told(rdp.share(7, data))


DECODERS: Final[dict[str, Callable[[bytes], object]]] = {
    "rdp_answer": read_answer,
    "rdp_client_core": ClientCore.read,
    "rdp_clipboard": _rdp_clipboard,
    "rdp_client_info": ClientInfo.read,
    "rdp_conference": gcc.read_request,
    "rdp_credentials": PasswordCredentials.read,
    "rdp_device_requests": _rdp_device_requests,
    "rdp_devices": _rdp_devices,
    "rdp_dynamic_channels": _rdp_dynamic,
    "rdp_login": _rdp_login,
    "rdp_nla": _rdp_nla,
    "rdp_ntlm": Authenticate.read,
    "rdp_printers": read_settings,
    "rdp_redirection": Redirection.read,
    "rdp_relay": _rdp_relay,
    "rdp_request": ConnectionRequest.read,
    "rdp_shares": _rdp_shares,
    "rdp_sound": _rdp_sound,
    "rdp_spnego": Init.read,
    "rdp_ts_request": TSRequest.read,
}
