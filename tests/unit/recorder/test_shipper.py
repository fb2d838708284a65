import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from samples.chunks import KEYS, SESSION, chunk
from samples.recordings import SMALL, Store, until

from recorder.chunk import Chunk
from recorder.clock import ManualClock, SystemClock
from recorder.errors import ChunkRefusedError
from recorder.events import ClientData, EndReason, SessionEnded
from recorder.ports import Clock, StorageReceipt
from recorder.shipper import AT_ONCE, Shipper
from recorder.spool import Spool


class Loaded:
    """A spool with chunks in it, and the shipper that empties it."""

    def __init__(self, folder: Path, sink, clock: Clock) -> None:
        self.spool = Spool(folder, SMALL, clock, KEYS)
        self.spool.prepare()
        self.shipper = Shipper(self.spool, sink, clock)

    def add(self, session_id: UUID = SESSION, chunks: int = 1) -> list[Chunk]:
        """Seal some chunks of a session, the last with its end."""
        self.spool.begin(session_id, b"x").segment.close()
        made: list[Chunk] = []
        for number in range(chunks):
            event = ClientData(at_ms=number, channel=0, data=b"%d" % number)
            end = SessionEnded(at_ms=number, reason=EndReason.CLIENT_LEFT)
            before = made[-1] if made else None
            last = number == chunks - 1
            made.append(chunk([end if last else event], before, session_id=session_id))
            self.spool.add(made[-1])
        return made


@asynccontextmanager
async def shipping(loaded: Loaded) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(loaded.shipper.run())
        await asyncio.sleep(0)
        yield
        running.cancel()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def loaded(tmp_path: Path, store: Store) -> Loaded:
    return Loaded(tmp_path, store, SystemClock())


async def test_what_the_spool_holds_at_the_start_is_shipped_in_order(loaded, store):
    made = loaded.add(chunks=5)
    async with shipping(loaded):
        await loaded.shipper.drained()
    assert [kept.digest for kept in store.chunks[SESSION]] == [one.digest for one in made]
    assert loaded.spool.sessions() == ()
    assert loaded.shipper.shipped_chunks == 5


async def test_a_chunk_that_is_sealed_is_shipped_at_once(loaded, store):
    async with shipping(loaded):
        loaded.add()
        loaded.shipper.wake(SESSION)
        await until(lambda: store.chunks)


async def test_an_unstored_chunk_is_kept_and_sent_again(loaded, store):
    loaded.add()
    store.failing = ConnectionError("the database is away")
    async with shipping(loaded):
        await until(lambda: store.tries > 1)
        assert loaded.spool.next_sequence(SESSION) == 0
        assert loaded.shipper.failing
        store.failing = None
        await loaded.shipper.drained()
    assert not loaded.shipper.failing
    assert loaded.spool.sessions() == ()


async def test_a_store_that_comes_back_wakes_those_that_wait_long(tmp_path, store):
    loaded = Loaded(tmp_path, store, SystemClock())
    loaded.shipper._jitter = Longest()
    for number in range(1, 4):
        loaded.add(UUID(int=number))
    store.failing = ConnectionError("away")
    async with shipping(loaded):
        await until(lambda: store.tries == 3)
        store.failing = None
        loaded.add(UUID(int=9))
        loaded.shipper.wake(UUID(int=9))
        async with asyncio.timeout(1):
            await loaded.shipper.drained()


async def test_how_long_nothing_arrived_is_known(tmp_path, store):
    clock = ManualClock()
    loaded = Loaded(tmp_path, store, clock)
    assert loaded.shipper.unreachable_s == 0
    loaded.add()
    store.failing = ConnectionError("away")
    async with shipping(loaded):
        await until(lambda: store.tries)
        await until(lambda: loaded.shipper.failing)
        clock.advance(7)
        assert loaded.shipper.unreachable_s == 7
        store.failing = None
        await loaded.shipper.drained()
        assert loaded.shipper.unreachable_s == 0


async def test_a_receipt_for_another_chunk_deletes_nothing(loaded, store, capsys):
    class Forging(Store):
        async def ship(self, chunk: Chunk) -> StorageReceipt:
            sound = await super().ship(chunk)
            return msgspec.structs.replace(sound, digest=bytes(32))

    loaded.shipper._sink = Forging()
    loaded.add()
    async with shipping(loaded):
        await until(lambda: loaded.shipper.failing)
        assert loaded.spool.next_sequence(SESSION) == 0
    assert "receipt.mismatched" in capsys.readouterr().out


async def test_a_chunk_damaged_in_the_spool_holds_up_no_other(loaded, store):
    loaded.add(chunks=1)
    loaded.add(UUID(int=8))
    file = loaded.spool.folder(SESSION) / "0.chunk"
    file.write_bytes(b"damaged")
    async with shipping(loaded):
        await loaded.shipper.drained()
    assert list(store.chunks) == [UUID(int=8)]
    assert (loaded.spool.directory / "quarantine" / f"{SESSION}-0.chunk").exists()


async def test_a_chunk_that_is_refused_for_good_holds_up_no_other(loaded, store):
    class Refusing(Store):
        async def ship(self, chunk: Chunk) -> StorageReceipt:
            if chunk.header.sequence == 1:
                raise ChunkRefusedError("another chunk holds this number")
            header = chunk.header
            store.chunks.setdefault(header.session_id, []).append(chunk)
            return StorageReceipt(
                session_id=header.session_id, sequence=header.sequence, digest=chunk.digest
            )

    loaded.shipper._sink = Refusing()
    loaded.add(chunks=3)
    loaded.add(UUID(int=8), chunks=2)
    async with shipping(loaded):
        await loaded.shipper.drained()
    assert [kept.header.sequence for kept in store.chunks[SESSION]] == [0, 2]
    aside = {file.name for file in (loaded.spool.directory / "quarantine").iterdir()}
    assert aside == {f"{SESSION}-1.chunk", f"{UUID(int=8)}-1.chunk"}
    assert loaded.spool.sessions() == ()
    assert not loaded.shipper.failing


async def test_a_chunk_that_vanished_is_told_and_holds_up_no_other(loaded, store, capsys):
    first, _ = loaded.add(chunks=2)
    (loaded.spool.folder(SESSION) / "0.chunk").unlink()
    loaded.add(UUID(int=8))
    store.chunks[SESSION] = [first]
    async with shipping(loaded):
        await loaded.shipper.drained()
    assert UUID(int=8) in store.chunks
    assert loaded.spool.used_bytes == 0
    assert "chunk.vanished" in capsys.readouterr().out


async def test_only_so_many_sessions_are_under_way_together(loaded, store):
    class Counting(Store):
        now = most = 0

        async def ship(self, chunk: Chunk) -> StorageReceipt:
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0.01)
            self.now -= 1
            return await super().ship(chunk)

    counting = Counting()
    loaded.shipper._sink = counting
    for number in range(1, 3 * AT_ONCE):
        loaded.add(UUID(int=number))
    async with shipping(loaded):
        await loaded.shipper.drained()
    assert counting.most == AT_ONCE


async def test_a_store_that_never_answers_is_not_waited_for(loaded):
    class Silent(Store):
        async def ship(self, chunk: Chunk) -> StorageReceipt:
            await asyncio.Event().wait()
            return await super().ship(chunk)

    loaded.shipper._limit_s = 0.05
    loaded.shipper._sink = Silent()
    loaded.add()
    async with shipping(loaded):
        await until(lambda: loaded.shipper.failing)


class Longest:
    """Waits as long as it may, and first of all for ten seconds."""

    def uniform(self, a: float, b: float, /) -> float:
        """Return the longest wait."""
        return max(b, 10.0)


async def test_a_session_that_goes_on_is_not_shipped_at_once_but_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("recorder.shipper.UNHURRIED_S", 0.3)
    loaded = Loaded(tmp_path, Store(), SystemClock())
    async with shipping(loaded):
        await asyncio.sleep(0.05)
        loaded.add()
        loaded.shipper.wake_later(SESSION)
        loaded.shipper.wake_later(SESSION)
        await asyncio.sleep(0.1)
        assert loaded.spool.unshipped_chunks == 1
        await until(lambda: loaded.spool.unshipped_chunks == 0)


async def test_a_session_that_fills_its_chunks_waits_longer_until_a_watcher_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("recorder.shipper.UNHURRIED_S", 0.1)
    monkeypatch.setattr("recorder.shipper.BUSY_S", 60.0)
    loaded = Loaded(tmp_path, Store(), SystemClock())
    async with shipping(loaded):
        await asyncio.sleep(0.05)
        loaded.add()
        loaded.shipper.wake_later(SESSION, busy=True)
        await asyncio.sleep(0.2)
        assert loaded.spool.unshipped_chunks == 1
        loaded.shipper.wake_later(SESSION)
        loaded.shipper.wake_later(SESSION, busy=True)
        async with asyncio.timeout(1):
            await until(lambda: loaded.spool.unshipped_chunks == 0)


async def test_the_end_of_a_session_does_not_wait(tmp_path: Path):
    loaded = Loaded(tmp_path, Store(), SystemClock())
    async with shipping(loaded):
        await asyncio.sleep(0.05)
        loaded.add()
        loaded.shipper.wake_later(SESSION)
        loaded.shipper.wake(SESSION)
        async with asyncio.timeout(1):
            await until(lambda: loaded.spool.unshipped_chunks == 0)
