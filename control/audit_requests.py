"""What can be asked of the audit trail, in the vocabulary of `control.requests`."""

import datetime as dt
from typing import Annotated

from msgspec import Meta, Struct

from control.request import Request


class ListAudit(Request, frozen=True, kw_only=True):
    """Acts, newest first. What is None does not matter."""

    who: str | None = None
    action: str | None = None
    """A whole action, or the noun of it: `secret.added`, `secret`."""
    subject: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    limit: Annotated[int, Meta(ge=1, le=100_000)] = 1000


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One act."""

    id: int
    """Rises in the order of the acts."""
    at: dt.datetime
    who: str
    """An operator's name on the machine, a user, an engine, or `stranger`."""
    action: str
    """`noun.past_verb`."""
    subject: str
    detail: str
