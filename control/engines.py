"""Engines: who asks to be one, who is, who was.

An engine asks (`bus.contract.EnrolEngine`) with a proof that it knows a one-time code. An
operator who read that code on the engine's screen gives it to control, which then knows
that the keys that came are those that were sent, and proves its own key the same way.
"""

import datetime as dt

from sqlalchemy import select
from sqlalchemy.orm import Session

from bus import codec, enrolment
from bus.contract import (
    EngineEnrolled,
    EngineStarted,
    EnrolEngine,
    EnrolmentPending,
    EnrolmentRefused,
)
from control import node_keys
from control.audit import Act
from control.enrolment_requests import EngineSummary
from control.errors import ConflictError, DeniedError, NotFoundError
from control.node_keys import CONTROL, Purpose
from storage.tables import EngineRow, NodeKeyRow

MAX_PENDING = 100
"""Strangers with a broker's password cannot fill the database."""

EnrolmentReply = EnrolmentPending | EngineEnrolled | EnrolmentRefused


def find(session: Session, engine_id: str) -> EngineRow:
    """Return the engine; raise `NotFoundError`."""
    row = session.get(EngineRow, engine_id)
    if row is None:
        raise NotFoundError(
            f"no engine has the id `{engine_id}`; `proxyd engine list` shows them"
        )
    return row


def find_active(session: Session, engine_id: str) -> EngineRow:
    """Return the engine; raise `DeniedError` where it is none, not yet or no more."""
    row = session.get(EngineRow, engine_id)
    if row is None or row.state != "active":
        raise DeniedError(f"{engine_id} is no active engine")
    return row


def stays_active(session: Session, engine_id: str) -> bool:
    """Say whether an engine is active, and hold it so until this transaction ends.

    A revocation waits for what is being written, or what is to be written for it.
    """
    row = session.get(EngineRow, engine_id, with_for_update={"read": True})
    return row is not None and row.state == "active"


def ask(session: Session, request: EnrolEngine, act: Act) -> EnrolmentReply:
    """Answer one that wants to be an engine. The signature of `request` must hold."""
    _forget_expired(session, act.at)
    row = session.get(EngineRow, request.engine_id)
    if row is None:
        return _take(session, request, act)
    if row.state == "revoked":
        return EnrolmentRefused(
            reason="this engine was revoked: `proxyd engine enrol --afresh` makes a new one"
        )
    if codec.encode(request) == row.enrolment:
        return EnrolmentPending() if row.welcome is None else _welcome(row.welcome)
    if row.state == "pending" and _asked(row).signing_key == request.signing_key:
        # The same engine with another code: its operator started again.
        session.delete(row)
        session.flush()
        return _take(session, request, act)
    act.note(session, "engine.enrolment_refused", request.engine_id, "the id is taken")
    return EnrolmentRefused(
        reason="another enrolment has this id: see `proxyd engine list` on the control node; "
        "`proxyd engine enrol --afresh` makes a new one"
    )


def approve(session: Session, engine_id: str, code: str, act: Act) -> EngineSummary:
    """Let an engine serve its site.

    Raises `NotFoundError`, `ConflictError`, and `DeniedError` where the code does not fit.
    """
    row = find(session, engine_id)
    if row.state != "pending":
        raise ConflictError(f"engine {engine_id} is {row.state}, not pending")
    if row.expires_at <= act.at:
        raise ConflictError(
            f"the enrolment of {engine_id} has expired: run `proxyd engine enrol` there again"
        )
    request = _asked(row)
    if not enrolment.is_proof(enrolment.engine_proof(code, request), request.code_proof):
        raise DeniedError(
            f"the code does not fit what came as {engine_id}: it was mistyped, or somebody on "
            "the way put keys of his own in place of the engine's; compare the fingerprint "
            f"that it shows with {enrolment.fingerprint(request.signing_key)}"
        )
    control_keys = node_keys.current(session, CONTROL, Purpose.SIGNING, act.at)
    if not control_keys:
        raise ConflictError("control has no key of its own yet: start it with `proxyd run`")
    # The oldest is the one it signs with; a successor is announced by it.
    proof = enrolment.control_proof(code, request, control_keys[0])
    row.welcome = codec.encode(EngineEnrolled(control_key=control_keys[0], code_proof=proof))
    row.state, row.approved_at = "active", act.at
    node_keys.add(session, engine_id, Purpose.SIGNING, request.signing_key, act.at)
    node_keys.add(session, engine_id, Purpose.SEALING, request.sealing_key, act.at)
    return summary(session, row)


def admit_local(session: Session, engine_id: str, site: str, act: Act) -> None:
    """Let the engine of this very process serve; nobody is in between to be doubted.

    Raises `DeniedError` where it was revoked.
    """
    row = session.get(EngineRow, engine_id)
    if row is None:
        row = EngineRow(
            id=engine_id, site=site, state="active", enrolment=b"",
            requested_at=act.at, expires_at=act.at, approved_at=act.at,
        )  # fmt: skip
        session.add(row)
        act.note(session, "engine.enrolled", engine_id, f"local, for site {site}")
    if row.state != "active":
        raise DeniedError(
            f"engine {engine_id} of this node is {row.state}: "
            "`proxyd engine enrol --afresh` makes a new one"
        )
    row.site, row.keys_told_at = site, act.at


def note_gateways(session: Session, started: EngineStarted) -> None:
    """Note what the gateways of an engine show to users; raise `NotFoundError`."""
    row = find(session, started.engine_id)
    row.host_keys = "\n".join(started.host_keys)
    row.certificate_fingerprint = started.certificate_fingerprint


def shown_by_gateways(
    session: Session, site: str | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return host keys and certificate fingerprints of the engines of a site, or of all.

    Any of them may be who answers at the address that users are told.
    """
    query = select(EngineRow).where(EngineRow.state == "active").order_by(EngineRow.id)
    if site is not None:
        query = query.where(EngineRow.site == site)
    rows = session.scalars(query).all()
    host_keys = (key for row in rows for key in row.host_keys.splitlines())
    certificates = (row.certificate_fingerprint for row in rows)
    return tuple(dict.fromkeys(host_keys)), tuple(dict.fromkeys(filter(None, certificates)))


def revoke(session: Session, engine_id: str, now: dt.datetime) -> EngineRow:
    """End an engine; what it signed before stays true. Raises `NotFoundError`.

    Twice is harmless.
    """
    row = find(session, engine_id)
    if row.state != "revoked":
        row.state, row.revoked_at = "revoked", now
        node_keys.end(session, engine_id, now)
    return row


def list_all(session: Session, now: dt.datetime) -> list[EngineSummary]:
    """Return all engines, those that wait for approval first."""
    rows = session.scalars(select(EngineRow).order_by(EngineRow.requested_at, EngineRow.id))
    order = {"pending": 0, "active": 1, "revoked": 2}
    there = [row for row in rows if row.state != "pending" or row.expires_at > now]
    return [summary(session, row) for row in sorted(there, key=lambda row: order[row.state])]


def summary(session: Session, row: EngineRow) -> EngineSummary:
    """Return an engine as lists show it."""
    return EngineSummary(
        id=row.id,
        site=row.site,
        state=row.state,
        fingerprint=_fingerprint(session, row),
        requested_at=row.requested_at,
        approved_at=row.approved_at,
        revoked_at=row.revoked_at,
        seen_at=row.keys_told_at,
    )


def _take(session: Session, request: EnrolEngine, act: Act) -> EnrolmentReply:
    reason = _objection(session, request, act.at)
    if reason is not None:
        return EnrolmentRefused(reason=reason)
    longest = act.at + dt.timedelta(seconds=enrolment.CODE_LIFETIME_S)
    session.add(
        EngineRow(
            id=request.engine_id,
            site=request.site,
            state="pending",
            enrolment=codec.encode(request),
            requested_at=act.at,
            expires_at=min(request.expires_at, longest),
        )
    )
    key = enrolment.fingerprint(request.signing_key)
    act.note(session, "engine.asked", request.engine_id, f"for site {request.site}, {key}")
    return EnrolmentPending()


def _objection(session: Session, request: EnrolEngine, now: dt.datetime) -> str | None:
    if request.expires_at <= now:
        return "the one-time code has expired: run `proxyd engine enrol` again"
    for key in (request.signing_key, request.sealing_key):
        if session.get(NodeKeyRow, key) is not None:
            return "these keys are another engine's: `proxyd engine enrol --afresh` makes new"
    pending = select(EngineRow.id).where(EngineRow.state == "pending")
    if len(session.scalars(pending).all()) >= MAX_PENDING:
        return f"{MAX_PENDING} engines wait for approval: approve them or let them expire"
    return None


def _forget_expired(session: Session, now: dt.datetime) -> None:
    expired = select(EngineRow).where(EngineRow.state == "pending", EngineRow.expires_at <= now)
    for row in session.scalars(expired):
        session.delete(row)
    session.flush()


def _asked(row: EngineRow) -> EnrolEngine:
    request = codec.decode_request(row.enrolment)
    assert isinstance(request, EnrolEngine)  # noqa: S101 - we wrote it
    return request


def _welcome(encoded: bytes) -> EngineEnrolled:
    reply = codec.decode_reply(encoded)
    assert isinstance(reply, EngineEnrolled)  # noqa: S101 - we wrote it
    return reply


def _fingerprint(session: Session, row: EngineRow) -> str:
    if row.state == "pending":
        return enrolment.fingerprint(_asked(row).signing_key)
    newest = (
        select(NodeKeyRow.public_key)
        .where(NodeKeyRow.node == row.id, NodeKeyRow.purpose == Purpose.SIGNING)
        .order_by(NodeKeyRow.valid_from.desc())
        .limit(1)
    )
    key = session.scalar(newest)
    return "" if key is None else enrolment.fingerprint(key)
