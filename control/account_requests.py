"""What can be asked about accounts, in the vocabulary of `control.requests`."""

import datetime as dt
from typing import Annotated

from msgspec import Meta, Struct

from control.launch_requests import MakeLaunchLink
from control.request import Request
from recorder.session_info import TargetProtocol

TokenName = Annotated[str, Meta(min_length=1, max_length=64)]


class EnableUser(Request, frozen=True, kw_only=True):
    """Let a person in again that was shut out."""

    name: str


class SetRole(Request, frozen=True, kw_only=True):
    """Give a person another role. What he has open is looked at anew."""

    name: str
    role: str


class SetPassword(Request, frozen=True, kw_only=True):
    """Give a person another password: he is logged out everywhere."""

    name: str
    password: str
    must_change_password: bool = True
    """Before anything else, once he has logged in."""


class ResetSecondFactor(Request, frozen=True, kw_only=True):
    """Forget a person's devices, recovery codes and passkeys: he enrols anew."""

    name: str


class CreateToken(Request, frozen=True, kw_only=True):
    """Make a bearer token for the API; it may do what the user may."""

    user: str
    name: TokenName
    ttl_s: Annotated[float, Meta(gt=0, le=10 * 366 * 86400)] | None = 90 * 86400
    """None: until it is revoked."""


class IssuedToken(Struct, frozen=True, kw_only=True):
    """The only time the token is shown."""

    id: str
    token: str
    name: str
    user: str
    expires_at: dt.datetime | None

    def __repr__(self) -> str:
        return f"IssuedToken(id={self.id!r}, <redacted>)"


class ListTokens(Request, frozen=True, kw_only=True):
    """Tokens, newest first."""

    user: str | None = None
    """None: of everybody."""


class TokenSummary(Struct, frozen=True, kw_only=True):
    """A token, without what it is."""

    id: str
    user: str
    name: str
    state: str
    """`valid`, `expired` or `revoked`."""
    created_at: dt.datetime
    expires_at: dt.datetime | None
    used_at: dt.datetime | None


class RevokeToken(Request, frozen=True, kw_only=True):
    """Take a token back."""

    id: str
    user: str | None = None
    """Only if it is his; None: whoever's it is."""


class ListReachable(Request, frozen=True, kw_only=True):
    """The secrets that a user has access to, favourites first."""

    user: str


class ReachableSecret(Struct, frozen=True, kw_only=True):
    """A secret as who may use it sees it: without the account it logs on with."""

    name: str
    protocol: TargetProtocol
    host: str
    site: str | None
    is_favourite: bool
    used_at: dt.datetime | None
    """When the user last had a session on it."""
    demands: tuple[str, ...] = ()
    """What it demands before it is launched: of `comment ticket approval`."""
    channels: tuple[str, ...] = ()
    """What it lets through."""


class SetFavourite(Request, frozen=True, kw_only=True):
    """Put a secret on top of the user's list, or back."""

    user: str
    secret: str
    is_favourite: bool = True


AccountRequest = (
    EnableUser
    | SetRole
    | SetPassword
    | ResetSecondFactor
    | CreateToken
    | ListTokens
    | RevokeToken
    | ListReachable
    | SetFavourite
    | MakeLaunchLink
)
