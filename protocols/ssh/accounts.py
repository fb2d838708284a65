"""What a gateway asks control about people with accounts of their own.

Each question raises `AccessDeniedError`, or a `BusError` where nobody can answer now.
"""

from uuid import UUID

import msgspec
from msgspec import Struct

from bus.contract import DenialReason, Done, Grant
from bus.errors import BadMessageError
from bus.own_account import (
    AccountReply,
    ChangePassword,
    ContinueLogon,
    FindSecrets,
    IssueOwnCredential,
    LaunchSecret,
    LaunchWaits,
    LogonContinues,
    OpenTerminal,
    OwnCredential,
    PasswordChange,
    PeopleOn,
    Presence,
    SecretsFound,
    TerminalOpened,
    UserValidated,
    ValidateKey,
    ValidateUser,
    WhoIsOn,
    WithdrawRequest,
    answer_info,
    change_info,
    pair_info,
    password_info,
)
from bus.sealed import Opener
from protocols.errors import AccessDeniedError
from protocols.ports import GrantBroker
from protocols.ssh.own_login import Judged, OwnLogon


class Place(Struct, frozen=True, kw_only=True):
    """Where a question comes from."""

    broker: GrantBroker
    engine_id: str
    site: str
    client_address: str


class AskedAccount:
    """A `protocols.ssh.own_login.Account`: control itself."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def password(self, user: str, password: str) -> Judged:
        """Judge a password."""
        place = self._place
        sealed = place.broker.seal_password(password, password_info(user))
        request = ValidateUser(
            engine_id=place.engine_id,
            site=place.site,
            username=user,
            sealed_password=sealed,
            client_address=place.client_address,
        )
        return _judged(await place.broker.account(request))

    async def offered(self, user: str, public_key: str) -> bool:
        """Say whether this may be a key of his."""
        reply = await self._place.broker.account(self._key(user, public_key, signed=False))
        return isinstance(reply, Done)

    async def key(self, user: str, public_key: str) -> Judged:
        """Judge a key that has signed."""
        return _judged(
            await self._place.broker.account(self._key(user, public_key, signed=True))
        )

    async def answer(self, ticket: bytes, answer: str) -> Judged:
        """Judge the answer to what was asked last."""
        place = self._place
        request = ContinueLogon(
            engine_id=place.engine_id,
            site=place.site,
            ticket=ticket,
            sealed_answer=place.broker.seal_password(answer, answer_info(ticket)),
            client_address=place.client_address,
        )
        return _judged(await place.broker.account(request))

    def _key(self, user: str, public_key: str, *, signed: bool) -> ValidateKey:
        place = self._place
        return ValidateKey(
            engine_id=place.engine_id,
            site=place.site,
            username=user,
            public_key=public_key,
            client_address=place.client_address,
            signed=signed,
        )


class LaunchOrder(Struct, frozen=True, kw_only=True):
    """What somebody wants to be launched, and with which reasons."""

    secret: str
    machine: str = ""
    comment: str = ""
    ticket: str = ""


class Visitor:
    """Somebody who has logged on, and what he may ask."""

    def __init__(self, place: Place, logon: OwnLogon) -> None:
        self._place = place
        self.user, self.role, self._logon = logon.user, logon.role, logon.logon

    async def open_terminal(self) -> TerminalOpened:
        """Begin the session that his terminal is."""
        reply = await self._ask(OpenTerminal)
        if isinstance(reply, TerminalOpened):
            return reply
        raise _unexpected()

    async def launch(
        self, order: LaunchOrder, opener: Opener, asked: UUID | None = None
    ) -> Grant | LaunchWaits:
        """Return a grant, whose credential `opener` opens, or what it waits for."""
        fields = msgspec.structs.asdict(order)
        reply = await self._ask(LaunchSecret, **fields, seal_to=opener.public, asked=asked)
        if isinstance(reply, Grant | LaunchWaits):
            return reply
        raise _unexpected()

    async def withdraw(self, asked: UUID) -> None:
        """Take back what somebody else was to approve."""
        await self._ask(WithdrawRequest, asked=asked)

    async def find(self, **wanted: object) -> SecretsFound:
        """Return the secrets that he may reach; `wanted` are the fields of `FindSecrets`."""
        reply = await self._ask(FindSecrets, **wanted)
        if isinstance(reply, SecretsFound):
            return reply
        raise _unexpected()

    async def who(self, secret: str) -> tuple[Presence, ...]:
        """Return who is at a secret's target; at all that he may reach, where that is empty."""
        reply = await self._ask(WhoIsOn, secret=secret)
        if isinstance(reply, PeopleOn):
            return reply.people
        raise _unexpected()

    async def change_password(self, old: str, new: str) -> None:
        """Give him another password."""
        change = msgspec.json.encode(PasswordChange(old=old, new=new)).decode()
        sealed = self._place.broker.seal_password(change, change_info(self._logon))
        await self._ask(ChangePassword, sealed_passwords=sealed)

    async def credential(self, secret: str) -> tuple[OwnCredential, str]:
        """Return a pair that another client can log on with once, and its password."""
        opener = Opener()
        reply = await self._ask(IssueOwnCredential, secret=secret, seal_to=opener.public)
        if isinstance(reply, OwnCredential):
            password = opener.open(reply.sealed_password, pair_info(reply.username))
            return reply, password.decode()
        raise _unexpected()

    async def _ask(self, kind: type, **fields: object) -> AccountReply | Grant | Done:
        place = self._place
        request = kind(
            engine_id=place.engine_id,
            site=place.site,
            client_address=place.client_address,
            logon=self._logon,
            **fields,
        )
        return await place.broker.account(request)


def _judged(reply: AccountReply | Grant | Done) -> Judged:
    if isinstance(reply, UserValidated | LogonContinues):
        return reply
    raise AccessDeniedError(DenialReason.UNKNOWN)


def _unexpected() -> BadMessageError:
    return BadMessageError("control answered about an account with something else")
