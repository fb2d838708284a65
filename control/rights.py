"""Who may do what: one table. Every route of the page and of the API names its right."""

import enum
from collections.abc import Mapping
from typing import Final

USER, AUDITOR, ADMIN = "user", "auditor", "admin"


class Right(enum.StrEnum):
    """What a role may allow."""

    ONESELF = "oneself"
    """One's own account: password, second factor, tokens."""
    USE_SECRETS = "use secrets"
    """See the secrets one has access to, and have credentials for them."""
    SEE_SESSIONS = "see sessions"
    """That they took place: the list, the facts."""
    SEE_RECORDINGS = "see recordings"
    """What happened in them: search, playback, export, watching."""
    STEER_SESSIONS = "steer sessions"
    """Talk to the user of a live session, and end it."""
    SEE_AUDIT = "see the audit trail"
    SEE_STATUS = "see the status"
    SEE_SETUP = "see the setup"
    """Which secrets, users, credentials and engines there are, and who may reach what."""
    MANAGE = "manage"
    """Change those, and how long recordings are kept."""


RIGHTS: Final[Mapping[str, frozenset[Right]]] = {
    USER: frozenset({Right.ONESELF, Right.USE_SECRETS}),
    AUDITOR: frozenset(set(Right) - {Right.MANAGE}),
    ADMIN: frozenset(Right),
}
"""By role. One that is not in here may nothing."""


def may(role: str, right: Right) -> bool:
    """Say whether `role` has `right`."""
    return right in RIGHTS.get(role, frozenset())
