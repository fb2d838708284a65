"""New keys for old ones: of an engine, of control, and of storage.

An engine's new key is introduced by the old one, which counts on for a day: a command that
was cut short can be run again. Control announces its own next key, and that of storage, in
what it tells engines and signs. Such a key takes over only when every active engine has
fetched it: none is left behind that believes nobody any more.
"""

import datetime as dt

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import select
from sqlalchemy.orm import Session

from bus import enrolment
from bus.contract import RotateEngineKey, TrustedKeys
from control import engines, node_keys
from control.audit import Act
from control.errors import DeniedError
from control.node_keys import CONTROL, STORAGE, Purpose
from storage.tables import EngineRow, NodeKeyRow

NO_TIME = dt.timedelta()


def tell(session: Session, engine_id: str, now: dt.datetime) -> TrustedKeys:
    """Return whom an engine is to believe, and note that it was told."""
    engines.find(session, engine_id).keys_told_at = now
    return TrustedKeys(
        control=node_keys.current(session, CONTROL, Purpose.SIGNING, now),
        storage=node_keys.current(session, STORAGE, Purpose.SIGNING, now),
        recording=node_keys.current(session, STORAGE, Purpose.RECORDING, now),
    )


def rotate_engine(session: Session, engine_id: str, request: RotateEngineKey, act: Act) -> None:
    """Let an engine sign with a new key. Twice is harmless.

    Raises `DeniedError` where it does not have that key, `ConflictError` where it is taken.
    """
    engines.find_active(session, engine_id)
    claim = enrolment.possession(engine_id, request.signing_key)
    try:
        Ed25519PublicKey.from_public_bytes(request.signing_key).verify(
            request.possession, claim
        )
    except (InvalidSignature, ValueError) as error:
        raise DeniedError(f"{engine_id} claims a key that it does not have") from error
    if node_keys.add(session, engine_id, Purpose.SIGNING, request.signing_key, act.at):
        node_keys.end(session, engine_id, act.at + node_keys.OVERLAP, but=request.signing_key)
        key = enrolment.fingerprint(request.signing_key)
        act.note(session, "engine.key_rotated", engine_id, key)


def announce(session: Session, node: str, successor: bytes, act: Act) -> None:
    """Let the next key of control or storage be told to engines; raise `ConflictError`.

    Twice is harmless.
    """
    if node_keys.add(session, node, Purpose.SIGNING, successor, act.at):
        act.note(session, f"{node}.key_announced", node, enrolment.fingerprint(successor))


def waiting_for(session: Session, successor: bytes) -> list[str]:
    """Return the active engines that have yet to fetch `successor`."""
    row = session.get_one(NodeKeyRow, successor)
    active = select(EngineRow).where(EngineRow.state == "active").order_by(EngineRow.id)
    return [
        engine.id
        for engine in session.scalars(active)
        # The local one has no enrolment and needs no telling: it shares control's process.
        if engine.enrolment
        and (engine.keys_told_at is None or engine.keys_told_at < row.valid_from)
    ]


def succeed(
    session: Session, node: str, successor: bytes, act: Act, overlap: dt.timedelta = NO_TIME
) -> None:
    """Let `successor` be the one key of control or storage, after the `overlap`."""
    node_keys.end(session, node, act.at + overlap, but=successor)
    act.note(session, f"{node}.key_rotated", node, enrolment.fingerprint(successor))


def takes_over(waiting: list[str]) -> str:
    """Return when an announced key takes over, in words."""
    names = f"these engines have fetched it: {', '.join(waiting)}" if waiting else "at once"
    return f"the new key is announced and takes over {'once ' * bool(waiting)}{names}"
