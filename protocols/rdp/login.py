"""The login of one client: the handshake, and what control says to it.

INVARIANT: nothing is known of a target before control has granted the session.
"""

import asyncio
import datetime as dt
import secrets
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from bus.contract import NTLMProved, ProveNTLM, RedeemCredential
from bus.errors import BusError
from bus.proof import proof
from bus.sealed import Opener, SealError, ntlm_info
from config.model import RDPSettings
from protocols.errors import AccessDeniedError
from protocols.rdp.acceptor import Acceptor, Offer, login_name
from protocols.rdp.leg import Leg
from protocols.rdp.ntlm import Attempt
from protocols.rdp.served_session import Granted, Keys, Surroundings
from protocols.rdp.steps import LoginWanted, ProofWanted, Refused, Send, StartTLS, Step
from protocols.rdp.wire.errinfo import ErrorInfo
from protocols.rdp.wire.ntlm import Challenge, file_time
from protocols.redemption import Redemption
from recorder.session_info import TargetProtocol

REFUSAL_S: Final = 0.5
"""Every refusal takes this long, whatever its reason: time tells a guesser nothing."""
_NAME: Final = "proxyd"

_log: structlog.stdlib.BoundLogger = structlog.get_logger()
_Answer = TypeVar("_Answer")


class LoginRefusedError(Exception):
    """The client was refused and told so."""


class Login:
    """One login."""

    def __init__(
        self, leg: Leg, keys: Keys, around: Surroundings, redemption: Redemption
    ) -> None:
        self._leg, self._keys, self._around = leg, keys, around
        self._redemption = redemption
        self._opener = Opener()
        self._acceptor = Acceptor(
            offer_of(around.settings), keys.public_key, _challenge(around.clock.now())
        )
        self.tried = False
        """Whether the client presented a credential."""

    async def run(self) -> Granted:
        """Return the granted session, once Client Info has come.

        Raises `LoginRefusedError`, `RemoteProtocolError` and `LegClosedError`.
        """
        while True:
            steps = self._acceptor.receive(await self._leg.read())
            while steps:
                granted, steps = await self._carry_out(steps)
                if granted is not None:
                    return granted
            await self._leg.drain()

    async def _carry_out(self, steps: list[Step]) -> tuple[Granted | None, list[Step]]:
        """Do each step; return the grant where there is one, and the steps that follow."""
        following: list[Step] = []
        for step in steps:
            match step:
                case Send(data):
                    self._leg.write(data)
                case StartTLS():
                    await self._leg.start_tls(self._keys.context)
                    following += self._acceptor.tls_started()
                case ProofWanted(attempt):
                    following += await self._prove(attempt)
                case LoginWanted():
                    return await self._redeem(step), []
                case Refused(reason):
                    raise LoginRefusedError(reason)
        return None, following

    async def _prove(self, attempt: Attempt) -> list[Step]:
        """Ask control what the client's NTLM answer proves."""
        self.tried = True
        around, opener = self._around, Opener()
        request = ProveNTLM(
            engine_id=around.engine_id,
            site=around.site,
            protocol=TargetProtocol.RDP,
            username=login_name(attempt.username),
            ntlm_username=attempt.username,
            ntlm_domain=attempt.domain,
            server_challenge=attempt.server_challenge,
            response=attempt.response,
            client_address=self._leg.peer_address,
            seal_to=opener.public,
        )
        answer: NTLMProved | None = await self._asked(lambda: around.broker.prove(request))
        if answer is None:
            return self._acceptor.unproved()
        key = opener.open(answer.sealed_key, ntlm_info(attempt.server_challenge))
        return self._acceptor.proved(key)

    async def _redeem(self, login: LoginWanted) -> Granted:
        self.tried = True
        around, acceptor = self._around, self._acceptor
        request = RedeemCredential(
            engine_id=around.engine_id,
            site=around.site,
            protocol=TargetProtocol.RDP,
            username=login.username,
            password_proof=proof(login.username, login.password),
            client_address=self._leg.peer_address,
            seal_to=self._opener.public,
        )
        grant = await self._asked(lambda: self._redemption.redeem(request))
        if grant is None or acceptor.client is None:
            self._leg.write(acceptor.denial(ErrorInfo.DENIED))
            raise LoginRefusedError("the login was refused")
        return Granted(
            leg=self._leg,
            acceptor=acceptor,
            client=acceptor.client,
            grant=grant,
            opener=self._opener,
        )

    async def _asked(self, ask: Callable[[], Awaitable[_Answer]]) -> _Answer | None:
        """Return control's answer; None, after a while, where it is no."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + REFUSAL_S
        try:
            return await ask()
        except AccessDeniedError as error:
            # Without the name: who mistypes puts a password there.
            _log.info("credential.denied", reason=error.reason.value)
        except (BusError, SealError) as error:
            _log.error("login.unanswered", error=str(error))
        await asyncio.sleep(until_s - loop.time())
        return None


def offer_of(settings: RDPSettings) -> Offer:
    """Return what clients are let in with."""
    return Offer(nla="nla" in settings.client_security, tls="tls" in settings.client_security)


def _challenge(now: dt.datetime) -> Challenge:
    nonce = secrets.token_bytes(8)
    return Challenge(server_challenge=nonce, name=_NAME, file_time=file_time(now))
