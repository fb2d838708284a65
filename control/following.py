"""Live sessions as operators watch them: fed by an engine, opened and checked here.

INVARIANT: nothing is handed on that the engine did not seal for this watcher, in its order;
where something is missing, also at the end and in silence, the watch ends and says so.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final, NamedTuple
from uuid import UUID, uuid4

from bus.contract import FEED_LEASE_S, CommandResult, LiveFeed, WatchSession
from bus.errors import BusError, BusUnavailableError, FeedCutError
from bus.feed import Feed
from bus.ports import ControlBus
from bus.sealed_feed import FeedOpener
from control import sessions
from control.errors import ControlError
from recorder.data_key import RecordingKeys
from recorder.errors import CorruptChunkError, RecordingKeyError
from storage.database import Database
from storage.errors import StorageError

RENEW_S: Final = FEED_LEASE_S / 4
"""How often the engine is asked how far its feed has come."""
_LATE_S: Final = 3.0
"""What the engine had sent before it answered has come by then, or never will."""


class Joined(NamedTuple):
    """A live feed from its beginning on."""

    first_sequence: int | None
    """The chunk that it begins with; None where it begins in the middle of one."""
    bodies: AsyncIterator[bytes]


class FollowedSessions:
    """Opens live feeds. `renew_s` is how often a watcher says that he is there."""

    def __init__(
        self,
        bus: ControlBus,
        database: Database,
        keys: RecordingKeys,
        *,
        renew_s: float = RENEW_S,
        late_s: float = _LATE_S,
    ) -> None:
        self._bus = bus
        self._database = database
        self._keys = keys
        self._renew_s = renew_s
        self._late_s = late_s

    async def follow(self, session_id: UUID) -> AsyncIterator[bytes]:
        """Yield frame bodies of a live session until it ends or the reader stops.

        Raises `FeedCutError` where the feed is not whole, `BusUnavailableError` where the
        session or its engine is not there.
        """
        async with self.joined(session_id) as joined:
            async for body in joined.bodies:
                yield body

    @contextlib.asynccontextmanager
    async def joined(self, session_id: UUID) -> AsyncIterator[Joined]:
        """Yield a live session's feed, and where it begins; raise as `follow` does."""
        engine_id = await asyncio.to_thread(self._engine_of, session_id)
        feed_id = uuid4()
        feed = self._bus.watch(feed_id)
        watch = _Watch(self._bus, engine_id, session_id, feed_id)
        try:
            told = await watch.ask()
            if told is None:
                raise BusUnavailableError(watch.refusal)
            secret = await asyncio.to_thread(self._unwrap, session_id, told)
            opener = FeedOpener(secret, session_id, feed_id, told.salt)
            bodies = self._bodies(watch, feed, opener, told.salt)
            async with contextlib.aclosing(bodies):
                yield Joined(told.first_sequence, bodies)
        finally:
            feed.close()
            await watch.leave()

    async def _bodies(
        self, watch: "_Watch", feed: Feed, opener: FeedOpener, salt: bytes
    ) -> AsyncGenerator[bytes]:
        clock = asyncio.get_running_loop().time
        renew_at_s = clock() + self._renew_s
        due, due_at_s = 0, math.inf
        while True:
            if clock() >= renew_at_s:
                told = await watch.ask()
                due, due_at_s = _due(told, salt, opener), clock() + self._late_s
                renew_at_s = clock() + self._renew_s
            waiting_for_late = opener.position < due
            until_s = min(renew_at_s, due_at_s) if waiting_for_late else renew_at_s
            try:
                async with asyncio.timeout_at(until_s):
                    message = await feed.get()
            except TimeoutError:
                if waiting_for_late and clock() >= due_at_s:
                    if watch.over:
                        raise FeedCutError("the live feed lost its end; watch again") from None
                    opener.check_reached(due)
                continue
            body = opener.open(message)
            if not body:
                watch.over = True
                return
            yield body

    def _engine_of(self, session_id: UUID) -> str:
        try:
            with self._database.read() as session:
                return sessions.find_live(session, session_id).engine
        except (ControlError, StorageError) as error:
            raise BusUnavailableError(str(error)) from error

    def _unwrap(self, session_id: UUID, told: LiveFeed) -> bytes:
        try:
            return self._keys.unwrap(session_id, told.key)
        except (CorruptChunkError, RecordingKeyError) as error:
            raise BusUnavailableError(f"its live feed cannot be opened: {error}") from error


class _Watch:
    """What the engine is told of one watcher."""

    def __init__(
        self, bus: ControlBus, engine_id: str, session_id: UUID, feed_id: UUID
    ) -> None:
        self._bus = bus
        self._engine_id = engine_id
        self._session_id, self._feed_id = session_id, feed_id
        self.over = True
        """Whether the engine feeds no more, or never did."""
        self.refusal = ""

    async def ask(self) -> LiveFeed | None:
        """Start the feed or go on with it; None where the engine refuses."""
        result = await self._tell(watching=True)
        if result.done and result.feed is None:
            raise BusUnavailableError(
                f"engine {self._engine_id} does not seal its live feeds: update it"
            )
        self.over = not result.done
        self.refusal = result.detail or f"session {self._session_id} has just ended"
        return result.feed

    async def leave(self) -> None:
        """Have the engine feed no more."""
        if not self.over:
            # An engine that does not hear it stops when the lease is over.
            with contextlib.suppress(BusError):
                await self._tell(watching=False)

    async def _tell(self, *, watching: bool) -> CommandResult:
        command = WatchSession(
            session_id=self._session_id, watching=watching, feed_id=self._feed_id
        )
        return await self._bus.command(self._engine_id, command)


def _due(told: LiveFeed | None, salt: bytes, opener: FeedOpener) -> int:
    """Return which position the feed must reach; raise where this feed is no more."""
    if told is not None and told.salt != salt:
        raise FeedCutError("the engine has begun the live feed anew; watch again")
    # The session ended: its last words, and that they were the last, are on their way.
    return opener.position + 1 if told is None else told.position
