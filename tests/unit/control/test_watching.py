import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import pytest
from samples.chunks import SESSION, chunk
from samples.terminal_recordings import shell_opening

from bus.errors import FeedCutError
from control.errors import UnreachableError
from control.watching import Watch, Watchers, across
from recorder.chunk import Chunk
from recorder.clock import SystemClock
from recorder.events import (
    ClientData,
    EndReason,
    KnownEvent,
    SessionEnded,
    TargetData,
    TerminalResized,
    encode_burst,
)
from recorder.replay.alis import MAGIC
from recorder.replay.comprehend import Screen

SCREEN = Screen(channel=0, columns=100, rows=30, dump="as it was\r\n")


class Stored:
    def __init__(self, chunks: list[Chunk], screen: tuple[int, Screen | None]) -> None:
        self.kept, self.screen = chunks, screen

    def screen_now(self, session_id: UUID, channel: int | None) -> tuple[int, Screen | None]:
        return self.screen

    def chunks(self, session_id: UUID, from_sequence: int) -> Iterator[Chunk]:
        yield from (one for one in self.kept if one.header.sequence >= from_sequence)


async def feed(*events: KnownEvent, broken: bool = False) -> AsyncIterator[bytes]:
    for event in events:
        yield encode_burst([event])
        await asyncio.sleep(0)
    if broken:
        raise FeedCutError("the watcher fell too far behind; watch again")


def out(at_ms: int, data: bytes) -> TargetData:
    return TargetData(at_ms=at_ms, channel=0, data=data)


ENDED = SessionEnded(at_ms=99, reason=EndReason.CLIENT_LEFT)


async def sent(watch: Watch) -> list[bytes]:
    frames: list[bytes] = []

    async def send(frame: bytes) -> None:
        frames.append(frame)

    async with asyncio.timeout(10):
        await watch.run(send)
    return frames


async def test_a_late_watcher_gets_the_screen_and_then_what_happens():
    stored = Stored([], (7, SCREEN))
    watch = Watch(SESSION, None, stored, feed(out(5, b"now"), ENDED), SystemClock())
    magic, reset, shown, end = await sent(watch)
    assert magic == MAGIC
    assert reset[0] == 1
    assert b"as it was" in reset
    assert shown[:1] == b"o"
    assert shown.endswith(b"now")
    assert end[0] == 4
    assert watch.ended


async def test_without_a_screen_the_chunks_are_read_from_the_first_on():
    first = chunk([*shell_opening(90, 20), out(1, b"stored")])
    watch = Watch(SESSION, None, Stored([first], (0, None)), feed(ENDED), SystemClock())
    _, reset, *_ = await sent(watch)
    assert reset.endswith(b"\x00") is False
    assert b"stored" in reset


async def test_keys_and_sizes_are_told():
    events = (
        TerminalResized(at_ms=3, channel=0, columns=120, rows=40),
        ClientData(at_ms=4, channel=0, data=b"ls\r"),
        ClientData(at_ms=4, channel=5, data=b"elsewhere"),
    )
    watch = Watch(SESSION, None, Stored([], (7, SCREEN)), feed(*events, ENDED), SystemClock())
    frames = await sent(watch)
    assert [frame[:1] for frame in frames[2:-1]] == [b"r", b"i"]
    assert frames[2].endswith(b"\x78\x28")
    assert frames[3].endswith(b"ls\r")


async def test_a_feed_that_breaks_off_is_no_end():
    stored = Stored([], (7, SCREEN))
    watch = Watch(SESSION, None, stored, feed(out(1, b"x"), broken=True), SystemClock())
    with pytest.raises(UnreachableError, match="fell too far behind"):
        await sent(watch)
    assert not watch.ended


async def test_the_hole_before_the_feed_is_closed_once_its_chunk_is_stored():
    first = chunk([*shell_opening(), out(1, b"before ")])
    stored = Stored([], (0, None))
    resets: asyncio.Queue[bytes] = asyncio.Queue()

    async def quiet() -> AsyncIterator[bytes]:
        assert b"before" not in await resets.get()
        stored.kept.append(first)
        assert b"before" in await resets.get()
        yield encode_burst([ENDED])

    async def send(frame: bytes) -> None:
        if frame[0] == 1:
            resets.put_nowait(frame)

    async with asyncio.timeout(10):
        await Watch(SESSION, None, stored, quiet(), SystemClock()).run(send)


async def test_a_watcher_who_is_gone_ends_the_watch():
    async def send(_frame: bytes) -> None:
        raise ConnectionResetError

    watch = Watch(SESSION, None, Stored([], (7, SCREEN)), feed(out(1, b"x")), SystemClock())
    with pytest.raises(ConnectionResetError):
        await watch.run(send)


def test_it_is_known_who_watches():
    watchers = Watchers()
    with watchers.one(SESSION, "ana"), watchers.one(SESSION, "ana"):
        with watchers.one(SESSION, "bo"):
            assert watchers.of(SESSION) == ["ana", "bo"]
        assert watchers.of(SESSION) == ["ana"]
    assert watchers.of(SESSION) == []


async def test_a_feed_crosses_from_one_loop_to_another_and_is_closed_there():
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="other loop")
    thread.start()
    closed = threading.Event()

    async def elsewhere() -> AsyncIterator[bytes]:
        try:
            for number in range(3):
                assert threading.current_thread() is thread
                yield b"%d" % number
            await asyncio.sleep(60)
        finally:
            closed.set()

    taken = []

    async def take() -> None:
        async with asyncio.timeout(0.5):
            async for body in across(elsewhere(), loop):
                taken.append(body)  # noqa: PERF401 - the loop is what is tested

    try:
        with pytest.raises(TimeoutError):
            await take()
        assert taken == [b"0", b"1", b"2"]
        assert await asyncio.to_thread(closed.wait, 5)
        assert [body async for body in across(feed(ENDED), loop)] == [encode_burst([ENDED])]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
