"""What an operator can ask about groups, in the vocabulary of `control.requests`."""

import datetime as dt

from msgspec import Struct

from control.request import Name, Request


class AddGroup(Request, frozen=True, kw_only=True):
    """Make a group, empty."""

    name: Name


class RemoveGroup(Request, frozen=True, kw_only=True):
    """Forget a group: who could reach something by it alone, no longer can."""

    name: str


class ListGroups(Request, frozen=True, kw_only=True):
    """All groups, by name."""


class JoinGroup(Request, frozen=True, kw_only=True):
    """Put a user into a group: he may reach what it may."""

    group: str
    user: str


class LeaveGroup(Request, frozen=True, kw_only=True):
    """Take a user out of a group: credentials end, live sessions end."""

    group: str
    user: str


class GrantToGroup(Request, frozen=True, kw_only=True):
    """Let everybody in a group reach a secret."""

    group: str
    secret: str


class RevokeFromGroup(Request, frozen=True, kw_only=True):
    """Let nobody reach the secret by the group: credentials end, live sessions end."""

    group: str
    secret: str


class GroupSummary(Struct, frozen=True, kw_only=True):
    """A group, who is in it, and what they may reach."""

    name: str
    users: tuple[str, ...]
    secrets: tuple[str, ...]
    created_at: dt.datetime


GroupRequest = (
    AddGroup
    | RemoveGroup
    | ListGroups
    | JoinGroup
    | LeaveGroup
    | GrantToGroup
    | RevokeFromGroup
)
