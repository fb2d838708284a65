"""How a login at a target begins: NTLM, or Kerberos where an engine is told so.

Kerberos is an extra. Its libraries ask the realm's servers themselves and block meanwhile, so
what needs them is done before a target is dialled, in a thread. What comes of it, a context
and its first token, is from there on as sans-io as NTLM's.
"""

import ipaddress
from typing import Final

import spnego
from msgspec import Struct
from spnego.exceptions import SpnegoError

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire import spnego as negotiation
from protocols.rdp.wire.ts_request import PasswordCredentials

_SERVICE: Final = "TERMSRV"
"""What RDP targets are called by ([MS-CSSP] 3.1.5, step 2): `TERMSRV/host`."""
_PROTECTED: Final = spnego.ContextReq.confidentiality | spnego.ContextReq.integrity
_MUTUAL: Final = _PROTECTED | spnego.ContextReq.mutual_auth
_KERBEROS: Final = frozenset(
    {bytes.fromhex("2a864886f712010202"), bytes.fromhex("2a864882f712010202")}
)
"""The mechanism, and the name for it that Windows 2000 gave it by mistake ([MS-SPNG] 3.1.1)."""


class Opening(Struct, frozen=True):
    """A login that has begun."""

    context: spnego.ContextProxy
    token: bytes | None
    """The first one, for the target."""


def by_ntlm(credentials: PasswordCredentials, host: str) -> Opening:
    """Begin with NTLM."""
    domain = credentials.domain
    name = f"{domain}\\{credentials.username}" if domain else credentials.username
    context = _client(name, credentials, host, "ntlm", _PROTECTED)
    return Opening(context, context.step())


def by_kerberos(credentials: PasswordCredentials, host: str) -> Opening | None:
    """Begin with a ticket for `TERMSRV/host`; None where there is none to be had.

    Blocks: the realm is the credential's domain, and its servers are asked. To be told apart
    from NTLM, which a target may still choose, the token is that of SPNEGO.
    """
    if not credentials.domain or _is_address(host):
        return None
    name = f"{credentials.username}@{credentials.domain.upper()}"
    try:
        context = _client(name, credentials, host, "negotiate", _MUTUAL)
        token = context.step()
        offered = negotiation.Init.read(token or b"").mechanisms
    except (SpnegoError, RemoteProtocolError):
        return None
    return Opening(context, token) if _KERBEROS & set(offered[:1]) else None


def _client(
    name: str,
    credentials: PasswordCredentials,
    host: str,
    protocol: str,
    wanted: spnego.ContextReq,
) -> spnego.ContextProxy:
    return spnego.client(
        name,
        credentials.password,
        hostname=host,
        service=_SERVICE,
        protocol=protocol,
        context_req=wanted,
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
