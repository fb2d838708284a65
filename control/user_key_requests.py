"""What an operator can ask about users' public keys."""

import datetime as dt
from typing import Annotated

from msgspec import Meta, Struct

from control.request import Request

KeyLine = Annotated[str, Meta(max_length=16_384)]


class AddUserKey(Request, frozen=True, kw_only=True):
    """Let a user log on with this key."""

    user: str
    public_key: KeyLine
    """`ssh-ed25519 AAAA…`, with a comment or without."""
    name: Annotated[str, Meta(max_length=200)] = ""
    """Empty: the key's comment."""
    ttl_s: Annotated[float, Meta(gt=0)] | None = None
    """None: for good."""


class ListUserKeys(Request, frozen=True, kw_only=True):
    """A user's keys."""

    user: str


class RemoveUserKey(Request, frozen=True, kw_only=True):
    """Let a user no longer log on with this key."""

    user: str
    fingerprint: str


class SetSSHLogin(Request, frozen=True, kw_only=True):
    """Say what a user has to show at the SSH gateway."""

    user: str
    policy: str
    """`either`, `both` or `key`."""


class UserKeySummary(Struct, frozen=True, kw_only=True):
    """A key, without the key."""

    user: str
    fingerprint: str
    kind: str
    name: str
    added_at: dt.datetime
    expires_at: dt.datetime | None
    used_at: dt.datetime | None


UserKeyRequest = AddUserKey | ListUserKeys | RemoveUserKey | SetSSHLogin
