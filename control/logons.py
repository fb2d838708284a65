"""Logons: control's own word that somebody has shown who he is, handed to one engine.

The engine shows it with whatever it asks for that user. It says who he is and no more: what
he may do is looked up at each request. Every control node of a vault reads what another
has written, and nothing has to be kept.

INVARIANT: a logon is worth nothing at another engine, and after a day nothing anywhere.
"""

import datetime as dt
import hmac
from typing import Final

import msgspec
from msgspec import Struct

from control.errors import DeniedError
from control.vault import Vault

LOGON_S: Final = 86_400
TICKET_S: Final = 600
"""How long an unfinished logon may take: longer than any login timeout that makes sense."""

_MAC_BYTES: Final = 32


class Logon(Struct, frozen=True, kw_only=True, tag="logon"):
    """Somebody is who he says."""

    user: str
    engine_id: str
    at: dt.datetime


class Ticket(Struct, frozen=True, kw_only=True, tag="ticket"):
    """A logon that is not finished: what is still to be asked, and how it went so far."""

    username: str
    engine_id: str
    client_address: str
    at: dt.datetime
    asks: str
    wrong: str = ""
    """The reason of a refusal that is not told yet."""
    by_key: bool = False


class Logons:
    """Writes and reads both. From any thread."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def write(self, what: Logon | Ticket) -> bytes:
        """Return `what` for an engine to keep."""
        body = msgspec.msgpack.encode(what)
        return self._mac(body) + body

    def logon(self, written: bytes, engine_id: str, now: dt.datetime) -> Logon:
        """Return who has logged on at this engine; raise `DeniedError`."""
        read = self._read(written, engine_id, now, LOGON_S)
        if not isinstance(read, Logon):
            raise DeniedError(f"{engine_id} shows a logon that was never finished")
        return read

    def ticket(self, written: bytes, engine_id: str, now: dt.datetime) -> Ticket:
        """Return how far a logon at this engine has come; raise `DeniedError`."""
        read = self._read(written, engine_id, now, TICKET_S)
        if not isinstance(read, Ticket):
            raise DeniedError(f"{engine_id} goes on with a logon that is over")
        return read

    def _read(
        self, written: bytes, engine_id: str, now: dt.datetime, limit_s: float
    ) -> Logon | Ticket:
        mac, body = written[:_MAC_BYTES], written[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(body)):
            raise DeniedError(f"{engine_id} shows a logon that control has not written")
        read: Logon | Ticket = msgspec.msgpack.decode(body, type=Logon | Ticket)
        if read.engine_id != engine_id:
            raise DeniedError(f"{engine_id} shows a logon at {read.engine_id}")
        if now - read.at > dt.timedelta(seconds=limit_s):
            raise DeniedError(f"{engine_id} shows a logon of {read.at:%Y-%m-%d %H:%M} UTC")
        return read

    def _mac(self, body: bytes) -> bytes:
        return self._vault.mac(b"proxyd logon v1\x00" + body)
