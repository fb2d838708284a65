"""What reads the handshake of an RDP target that a user is led to, and may be anybody's."""

import contextlib
from collections.abc import Callable
from typing import Final

from fuzz.turns import turns
from samples import rdp

from protocols.errors import RemoteProtocolError
from protocols.rdp.certificates import subject_public_key
from protocols.rdp.connector import Connector
from protocols.rdp.probe import Probe
from protocols.rdp.wire import gcc, mcs
from protocols.rdp.wire.framing import data_packet
from protocols.rdp.wire.ntlm import OFFERED
from protocols.rdp.wire.ts_request import TSRequest
from protocols.rdp.wire.x224 import ConnectionConfirm, Security

_CLIENT: Final = rdp.accepted_client()
_CHALLENGE: Final = rdp.challenge().write(OFFERED)
_CHALLENGED: Final = TSRequest(token=_CHALLENGE).write()


def _connector(selected: Security) -> Connector:
    """Under TLS with a target that chose this."""
    connector = Connector(_CLIENT, rdp.logon("cliprdr"))
    connector.start()
    connector.receive(ConnectionConfirm(selected=selected).write())
    connector.tls_started(rdp.PUBLIC_KEY)
    return connector


def _target(data: bytes) -> None:
    """A target that says what it likes; with headers that are right, or as it comes."""
    connector = _connector(Security.TLS)
    for side, piece in turns(data):
        connector.receive(data_packet(piece) if side else piece)
    connector.take_rest()


def _conference(data: bytes) -> None:
    """Behind the headers of a target's answer."""
    with contextlib.suppress(RemoteProtocolError):
        _connector(Security.TLS).receive(mcs.connect_response(data))
    gcc.read_server_network(data, 3)


def _nla(data: bytes) -> None:
    """TSRequests as they come; then tokens in right ones, before and behind a challenge."""
    said = (data, TSRequest(token=data).write(), TSRequest(public_key_auth=data).write())
    for each in said:
        with contextlib.suppress(RemoteProtocolError):
            _connector(Security.NLA).receive(each)
        connector = _connector(Security.NLA)
        connector.receive(_CHALLENGED)
        with contextlib.suppress(RemoteProtocolError):
            connector.receive(each)


def _challenge(data: bytes) -> None:
    """What a target writes into an NTLM challenge: its fields, then what they point to."""
    fields, rest = data[:44], data[44:]
    token = _CHALLENGE[:12] + fields + _CHALLENGE[12 + len(fields) :] + rest
    _connector(Security.NLA).receive(TSRequest(token=token).write())


def _probe(data: bytes) -> None:
    """Before TLS, where all that is said is an answer."""
    for machine in (Probe(rdp.REAL, "target"), Connector(_CLIENT, rdp.logon())):
        machine.start()
        with contextlib.suppress(RemoteProtocolError):
            machine.receive(data)


DECODERS: Final[dict[str, Callable[[bytes], object]]] = {
    "rdp_target": _target,
    "rdp_target_certificate": subject_public_key,
    "rdp_target_challenge": _challenge,
    "rdp_target_conference": _conference,
    "rdp_target_nla": _nla,
    "rdp_target_unprotected": _probe,
}
