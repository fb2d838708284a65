"""Trust on first use: the first host key that a target shows is the one that holds."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from bus.contract import HostKeyPolicy, PinHostKey
from control import secrets, sessions
from control.audit import Act
from control.host_keys import canonical
from recorder.session_info import TargetProtocol
from storage.tables import SecretRow


def pin(session: Session, act: Act, request: PinHostKey) -> tuple[str, ...]:
    """Return the keys that hold, the offered one among them only if it came first.

    Raises `NotFoundError`, `ConflictError` for a session that is over, and `InvalidError`.
    """
    of = sessions.find_live(session, request.session_id)
    secret = session.scalar(select(SecretRow).where(SecretRow.name == of.secret))
    # A secret that was removed, or moved to another machine, learns nothing from this one.
    if secret is None or secrets.address(secret) != of.target:
        return ()
    offered = canonical(TargetProtocol(secret.protocol), request.host_key)
    if secret.host_key_policy == HostKeyPolicy.TOFU and not secret.host_keys:
        secret.host_keys = offered
        act.note(session, "host_key.pinned", secret.name, offered)
    return secrets.host_keys(secret)
