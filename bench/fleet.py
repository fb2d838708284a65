"""Engines of many sites without their gateways: enrolled, on the bus, with sessions to ship.

What they ship is what a real one does: chunks of events, packed, encrypted to the recording
key, signed and chained. Only the people and their terminals are made up.
"""

import asyncio
import datetime as dt
import os
import random
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace
from peers.rabbitmq import VirtualHost

from bus import enrolment
from bus.contract import EnrolEngine
from bus.identity import Identity
from bus.rabbitmq import EngineAddress, RabbitEngineBus
from control import engines, node_keys
from control.audit import Act
from control.node_keys import STORAGE, Purpose
from recorder.chunk import Chunk, SealReason, frame
from recorder.chunker import Chunker
from recorder.clock import SystemClock
from recorder.data_key import RecordingPublicKey
from recorder.events import (
    ChannelOpened,
    ChannelRequested,
    ClientData,
    EndReason,
    KnownEvent,
    SessionEnded,
    SessionStarted,
    TargetData,
    TerminalRequested,
    encode_burst,
)
from recorder.session_info import RecordingTerms, SessionInfo, Target, TargetProtocol
from recorder.shipper import AT_ONCE
from recorder.signing import SigningKey
from storage.database import Database

SITE: Final = "default"
CHUNK_S: Final = 30
BULK_SHARE: Final = 0.01
"""Of sessions, who move files and not text: their chunks are the largest there are."""
_BULK_BYTES: Final = 1024 * 1024 - 4096
_COMMANDS_A_CHUNK: Final = 3
_ANSWER_LIMIT_S: Final = 30.0
_made_up = random.Random(7)  # noqa: S311 - the same on every run


class SimulatedSession:
    """Makes its chunks one after the other."""

    def __init__(
        self, number: int, signer: SigningKey, recording_key: RecordingPublicKey
    ) -> None:
        self.id = uuid4()
        self._chunker = Chunker(self.id, recording_key.new_data_key(self.id), signer)
        self._is_bulk = number % round(1 / BULK_SHARE) == 0
        self._began = dt.datetime.now(dt.UTC)
        self._engine_id = signer.engine_id
        self._user = f"user-{number % 200}"
        self._at_ms = 0

    def next_chunk(self, *, last: bool = False) -> Chunk:
        """Return the chunk of the next half minute."""
        first_at = self._began + dt.timedelta(milliseconds=self._at_ms)
        frames = b"".join(frame(encode_burst([event])) for event in self._events(last=last))
        end = EndReason.CLIENT_LEFT if last else None
        chunk = self._chunker.seal(
            frames,
            SealReason.END if last else SealReason.INTERVAL,
            first_at=first_at,
            end_reason=end,
        )
        self._chunker.follow(chunk)
        return chunk

    def _events(self, *, last: bool) -> Iterator[KnownEvent]:
        if self._at_ms == 0:
            yield SessionStarted(at_ms=0, info=self._info())
            yield ChannelOpened(at_ms=1, channel=0, kind="session")
            if not self._is_bulk:
                yield TerminalRequested(
                    at_ms=1, channel=0, terminal="xterm-256color", columns=120, rows=40
                )
            request, detail = ("exec", b"cat /srv/dump") if self._is_bulk else ("shell", b"")
            yield ChannelRequested(at_ms=2, channel=0, request=request, detail=detail)
        yield from self._bulk() if self._is_bulk else self._work()
        self._at_ms += CHUNK_S * 1000
        if last:
            yield SessionEnded(at_ms=self._at_ms, reason=EndReason.CLIENT_LEFT)

    def _bulk(self) -> Iterator[KnownEvent]:
        for at in range(0, _BULK_BYTES, 32_000):
            data = os.urandom(min(32_000, _BULK_BYTES - at))
            yield TargetData(at_ms=self._at_ms + 10 + at // 100, channel=0, data=data)

    def _work(self) -> Iterator[KnownEvent]:
        """Somebody types a command, key by key, and reads what it says."""
        for number in range(_COMMANDS_A_CHUNK):
            at_ms = self._at_ms + 10 + number * CHUNK_S * 1000 // _COMMANDS_A_CHUNK
            command = f"ls -l /srv/project-{_made_up.randrange(10_000)}/reports\r".encode()
            for place, key in enumerate(command):
                at_ms += 60
                yield ClientData(at_ms=at_ms, channel=0, data=bytes([key]))
                echo = command[place : place + 1].replace(b"\r", b"\r\n")
                yield TargetData(at_ms=at_ms + 1, channel=0, data=echo)
            lines = b"".join(_line() for _ in range(_made_up.randrange(3, 30)))
            yield TargetData(at_ms=at_ms + 5, channel=0, data=lines + b"operator@host:~$ ")

    def _info(self) -> SessionInfo:
        return SessionInfo(
            session_id=self.id,
            user=self._user,
            secret_name="host",  # noqa: S106 - a name
            target=Target(host="10.0.0.5", port=22, protocol=TargetProtocol.SSH),
            site=SITE,
            engine_id=self._engine_id,
            client_address="192.0.2.1",
            terms=RecordingTerms(),
            started_at=self._began,
        )


def _line() -> bytes:
    name, size = _made_up.randbytes(6).hex(), _made_up.randrange(10_000_000)
    day, hour = _made_up.randrange(1, 28), _made_up.randrange(24)
    when = f"Nov {day:2d} {hour:02d}:31"
    return f"-rw-r--r-- 1 www-data www-data {size:8d} {when} {name}.log\r\n".encode()


class SimulatedEngine:
    """Ships as an engine's shipper does: so many at once, each until its receipt."""

    def __init__(self, number: int) -> None:
        self.id = f"engine-simulated-{number}"
        self._key = Ed25519PrivateKey.generate()
        self.signer = SigningKey(self.id, self._key.private_bytes_raw())
        self._places = asyncio.Semaphore(AT_ONCE)
        self._bus: RabbitEngineBus

    def enrol(self, database: Database) -> None:
        """Ask, and be approved by who knows the code."""
        code, at = enrolment.new_code(), dt.datetime.now(dt.UTC)
        asked = EnrolEngine(
            engine_id=self.id,
            site=SITE,
            signing_key=self.signer.public,
            sealing_key=os.urandom(32),
            expires_at=at + dt.timedelta(hours=1),
            code_proof=b"",
        )
        asked = replace(asked, code_proof=enrolment.engine_proof(code, asked))
        with database.transaction() as session:
            engines.ask(session, asked, Act(self.id, at))
            session.flush()
            engines.approve(session, self.id, code, Act("bench", at))

    async def connect(
        self, vhost: VirtualHost, storage_keys: tuple[bytes, ...], stack: AsyncExitStack
    ) -> None:
        """Connect to the broker; `stack` disconnects."""
        known = {STORAGE: storage_keys}
        identity = Identity(self.id, self._key, known.get, SystemClock())
        address = EngineAddress(site=SITE, engine_id=self.id)
        bus = RabbitEngineBus(vhost.parameters(), identity, address, _ANSWER_LIMIT_S)
        self._bus = await stack.enter_async_context(bus)
        await bus.wires.wait_up()

    async def ship(self, chunk: Chunk, due_s: float) -> float:
        """Ship when it is due; return how long after that its receipt came."""
        await asyncio.sleep(due_s - time.monotonic())
        async with self._places:
            receipt = await self._bus.ship(chunk)
        if receipt.digest != chunk.digest:
            raise SystemExit("bench: a receipt for another chunk came")
        return time.monotonic() - due_s


class Fleet:
    """All engines and their sessions."""

    def __init__(self, count: int, sessions: int, database: Database) -> None:
        self.engines = [SimulatedEngine(number) for number in range(count)]
        for engine in self.engines:
            engine.enrol(database)
        now = dt.datetime.now(dt.UTC)
        with database.read() as session:
            key, *_ = node_keys.current(session, STORAGE, Purpose.RECORDING, now)
            self._storage_keys = node_keys.current(session, STORAGE, Purpose.SIGNING, now)
        recording_key = RecordingPublicKey(public=key)
        self._sessions = [
            SimulatedSession(number, self.engines[number % count].signer, recording_key)
            for number in range(sessions)
        ]

    @property
    def session_ids(self) -> set[UUID]:
        """Return which sessions must be stored."""
        return {each.id for each in self._sessions}

    @asynccontextmanager
    async def connected(self, vhost: VirtualHost) -> AsyncIterator[None]:
        """Be on the bus."""
        async with AsyncExitStack() as stack:
            for engine in self.engines:
                await engine.connect(vhost, self._storage_keys, stack)
            yield

    async def next_chunks(self, *, last: bool = False) -> list[Chunk]:
        """Return the next chunk of every session."""
        chunks = []
        for each in self._sessions:
            chunks.append(each.next_chunk(last=last))
            # Who says nothing to the broker for seconds is given up.
            await asyncio.sleep(0)
        return chunks

    async def ship(self, chunks: Iterable[Chunk], rate_per_s: float | None) -> list[float]:
        """Ship one chunk of each session, at a rate or as fast as it goes.

        Returns for each how long after it was due its receipt came.
        """
        began_s = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            shipping = [
                tasks.create_task(
                    self.engines[number % len(self.engines)].ship(
                        chunk, began_s + (number / rate_per_s if rate_per_s else 0)
                    )
                )
                for number, chunk in enumerate(chunks)
            ]
        return [each.result() for each in shipping]
