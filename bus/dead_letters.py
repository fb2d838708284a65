"""The dead letters: chunks that workers gave up on. Blocking; a connection for each call.

A dead letter stays on the broker until an operator replays or discards it. Looking at it
changes nothing.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import pika
import pika.exceptions
from msgspec import Struct
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

from bus import topology
from bus.errors import BusUnavailableError
from bus.link import said
from bus.publisher import PERSISTENT, properties_of
from recorder.chunk import decode
from recorder.errors import CorruptChunkError

_MOST: Final = 10_000
"""More at once would be a queue that nobody reads, and fills the memory."""


class DeadLetter(Struct, frozen=True, kw_only=True):
    """One chunk that was given up on."""

    id: str
    """`SITE/SESSION/SEQUENCE`; for bytes that are no chunk `SITE/?/` and their digest."""
    site: str
    engine: str
    session: str
    sequence: int | None
    size_bytes: int
    reason: str
    """Why the broker put it there: `rejected` by a worker, or its `delivery_limit`."""


class _Held(Struct, frozen=True):
    letter: DeadLetter
    tag: int
    key: str
    body: bytes


class DeadLetters:
    """The dead letters of some sites. Its methods raise `BusUnavailableError`."""

    def __init__(self, parameters: pika.ConnectionParameters, sites: Sequence[str]) -> None:
        self._parameters = parameters
        self._sites = sites

    def all(self) -> list[DeadLetter]:
        """Return them, oldest first, site by site."""
        with self._channel() as channel:
            return [one.letter for site in self._sites for one in _held(channel, site)]

    def replay(self, wanted: Callable[[DeadLetter], bool]) -> list[DeadLetter]:
        """Send those that are `wanted` to the workers again; return them."""
        return self._each(wanted, _send_again)

    def discard(self, wanted: Callable[[DeadLetter], bool]) -> list[DeadLetter]:
        """Throw those that are `wanted` away for good; return them."""
        return self._each(wanted, lambda _channel, _held: None)

    def _each(
        self,
        wanted: Callable[[DeadLetter], bool],
        treat: Callable[[BlockingChannel, _Held], None],
    ) -> list[DeadLetter]:
        treated = []
        with self._channel() as channel:
            for site in self._sites:
                # All of them first: what is put back would come again without end.
                for one in list(_held(channel, site)):
                    if wanted(one.letter):
                        treat(channel, one)
                        channel.basic_ack(one.tag)
                        treated.append(one.letter)
        return treated

    @contextlib.contextmanager
    def _channel(self) -> Iterator[BlockingChannel]:
        """Yield a channel; what it took and did not acknowledge goes back with its end."""
        try:
            with contextlib.closing(BlockingConnection(self._parameters)) as connection:
                channel = connection.channel()
                channel.confirm_delivery()
                yield channel
        except (pika.exceptions.AMQPError, OSError) as error:
            raise BusUnavailableError(
                f"the dead letters cannot be reached: {said(error)}; see that the broker runs"
            ) from error


def _held(channel: BlockingChannel, site: str) -> Iterator[_Held]:
    queue = topology.site_dead(site).name
    for _ in range(_MOST):
        method, properties, body = channel.basic_get(queue)
        if method is None or body is None:
            return
        headers = (properties.headers if properties else None) or {}
        first = (headers.get("x-death") or [{}])[0]
        key = str((first.get("routing-keys") or [""])[0])
        letter = _letter(site, topology.engine_of(key), body, str(first.get("reason", "?")))
        yield _Held(letter, method.delivery_tag, key, body)


def _letter(site: str, engine: str, body: bytes, reason: str) -> DeadLetter:
    try:
        header = decode(body).header
    except CorruptChunkError:
        session, sequence = "?", None
    else:
        session, sequence = str(header.session_id), header.sequence
    return DeadLetter(
        id=f"{site}/{session}/{sequence if sequence is not None else len(body)}",
        site=site,
        engine=engine,
        session=session,
        sequence=sequence,
        size_bytes=len(body),
        reason=reason,
    )


def _send_again(channel: BlockingChannel, held: _Held) -> None:
    key = held.key or f"{held.letter.site}.unknown"
    channel.basic_publish(
        topology.CHUNKS, key, held.body, properties_of(delivery_mode=PERSISTENT), mandatory=True
    )
