"""An engine's half of enrolment: shows a code, asks until it is approved, pins control.

enrolment.json           in the state directory while an operator has yet to approve
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from bus import enrolment
from bus.contract import (
    EngineEnrolled,
    EnrolEngine,
    EnrolmentPending,
    EnrolmentRefused,
    Reply,
    Request,
    TrustedKeys,
)
from bus.errors import BadMessageError, BusUnavailableError
from config.errors import ConfigError
from control.errors import ConflictError, DeniedError
from control.private_files import write_private
from proxyd.engine_trust import (
    ID_NAME,
    PINS_NAME,
    SEALING_KEY_NAME,
    SIGNING_KEY_NAME,
    EnginePrivateKeys,
    TrustFile,
    engine_id,
)
from recorder.ports import Clock

ENROLMENT_NAME: Final = "enrolment.json"
ASK_INTERVAL_S: Final = 2.0


class Requests(Protocol):
    """What enrolment needs of a `bus.ports.EngineBus`."""

    async def request(self, message: Request) -> Reply:
        """Return control's answer; raise `BusUnavailableError` where none comes in time."""
        ...


class Enrolment(Struct, frozen=True, kw_only=True):
    """What is remembered between asking and being approved."""

    code: str
    site: str
    expires_at: dt.datetime

    def __repr__(self) -> str:
        return f"Enrolment(site={self.site!r}, <redacted>)"


class Enroller:
    """Enrols the engine of one state directory."""

    def __init__(self, state_dir: Path, keys: EnginePrivateKeys, clock: Clock) -> None:
        self._state_dir = state_dir
        self._keys = keys
        self._clock = clock
        self._file = state_dir / ENROLMENT_NAME
        self.engine_id = engine_id(state_dir)
        self.fingerprint = enrolment.fingerprint(keys.signing_public)

    def begin(self, site: str) -> Enrolment:
        """Return the enrolment that is under way, or a new one.

        Raises `ConflictError` where the engine is enrolled already.
        """
        if (self._state_dir / PINS_NAME).exists():
            raise ConflictError(
                f"{self.engine_id} is enrolled already; `proxyd engine enrol --afresh` gives "
                "up what it is and makes it another engine"
            )
        now = self._clock.now()
        under_way = self._under_way()
        if under_way and under_way.site == site and under_way.expires_at > now:
            return under_way
        begun = Enrolment(
            code=enrolment.new_code(),
            site=site,
            expires_at=now + dt.timedelta(seconds=enrolment.CODE_LIFETIME_S),
        )
        write_private(self._file, msgspec.json.encode(begun))
        return begun

    async def finish(self, begun: Enrolment, bus: Requests, waiting: Callable[[], None]) -> str:
        """Ask until an operator approved; return the fingerprint of control's key.

        Calls `waiting` when control has taken the request. Raises `DeniedError` where it is
        refused, `ConflictError` where the code expires first, and `BadMessageError` where
        somebody else than control answers.
        """
        request = self._request(begun)
        told = False
        while self._clock.now() < begun.expires_at:
            with contextlib.suppress(BusUnavailableError):
                match await bus.request(request):
                    case EngineEnrolled() as enrolled:
                        return self._pin(begun, request, enrolled)
                    case EnrolmentRefused(reason=reason):
                        raise DeniedError(f"control refuses {self.engine_id}: {reason}")
                    case EnrolmentPending() if not told:
                        told = True
                        waiting()
            await asyncio.sleep(ASK_INTERVAL_S)
        raise ConflictError("nobody approved in time: run `proxyd engine enrol` again")

    def _request(self, begun: Enrolment) -> EnrolEngine:
        unproven = EnrolEngine(
            engine_id=self.engine_id,
            site=begun.site,
            signing_key=self._keys.signing_public,
            sealing_key=self._keys.sealing_public,
            expires_at=begun.expires_at,
            code_proof=b"",
        )
        proof = enrolment.engine_proof(begun.code, unproven)
        return msgspec.structs.replace(unproven, code_proof=proof)

    def _pin(self, begun: Enrolment, request: EnrolEngine, enrolled: EngineEnrolled) -> str:
        expected = enrolment.control_proof(begun.code, request, enrolled.control_key)
        if not enrolment.is_proof(expected, enrolled.code_proof):
            raise BadMessageError(
                "somebody who does not know the code answered in control's place: look at who "
                "can write to the broker; nothing was believed"
            )
        TrustFile(self._state_dir).write(
            TrustedKeys(control=(enrolled.control_key,), storage=())
        )
        self._file.unlink()
        return enrolment.fingerprint(enrolled.control_key)

    def _under_way(self) -> Enrolment | None:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Enrolment)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None
        except OSError as error:
            raise ConfigError(
                f"{self._file} cannot be read: {error.strerror}; run as the user that owns it"
            ) from error


def forget(state_dir: Path) -> None:
    """Give up an engine's id, keys and pins: the next enrolment makes another engine."""
    for name in (
        ID_NAME,
        SIGNING_KEY_NAME,
        f"{SIGNING_KEY_NAME}.new",
        SEALING_KEY_NAME,
        PINS_NAME,
        ENROLMENT_NAME,
    ):
        (state_dir / name).unlink(missing_ok=True)
