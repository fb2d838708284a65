"""What can be asked about launch links, and what whoever follows one is given."""

import datetime as dt
from typing import Annotated

from msgspec import Meta, Struct

from control.request import Reason, Request
from recorder.session_info import TargetProtocol

TOKEN_CHARACTERS = 32
"""192 bits, in the alphabet of base64 for URLs."""


class MakeLaunchLink(Request, frozen=True, kw_only=True):
    """Make a link that starts a client on the user's machine, once, within a minute.

    It lasts no longer than the log-in that it was made from.
    """

    secret: str
    user: str
    login: bytes
    """The digest of that log-in or token."""
    comment: Reason = ""
    ticket: Reason = ""
    """What the secret demands of whoever issues a credential to himself."""


class IssuedLaunchLink(Struct, frozen=True, kw_only=True):
    """The only time the link is shown."""

    path: str
    """`/launch/…`: what stands behind `proxyd://` and the host and port of the page."""
    secret: str
    protocol: TargetProtocol
    expires_at: dt.datetime

    def __repr__(self) -> str:
        return f"IssuedLaunchLink(secret={self.secret!r}, <redacted>)"


class RedeemLaunchLink(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Turn a link into what a client is started with. Needs no log-in; the link is used up."""

    token: Annotated[str, Meta(max_length=256)]
    """The last part of the link."""

    def __repr__(self) -> str:
        return "RedeemLaunchLink(<redacted>)"


class LaunchedClient(Struct, frozen=True, kw_only=True):
    """What a client is started with: where, as whom, and how the gateway is recognised."""

    kind: TargetProtocol
    secret: str
    host: str
    port: int
    username: str
    password: str
    """Of a proxy credential that was made for this: one connection, within two minutes."""
    expires_at: dt.datetime
    channels: tuple[str, ...]
    """What the secret lets through: a client need offer no more."""
    host_keys: tuple[str, ...]
    """Of the SSH gateways that may answer there, `ssh-ed25519 AAAA…`."""
    certificate_fingerprints: tuple[str, ...]
    """SHA-256 of the certificates that RDP gateways may show there."""
    notice: str
    """What the user is told before he begins."""

    def __repr__(self) -> str:
        return f"LaunchedClient(secret={self.secret!r}, <redacted>)"
