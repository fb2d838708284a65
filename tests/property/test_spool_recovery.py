"""Whatever byte the engine dies at, recovery gives a prefix of whole bursts, each once."""

import asyncio
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples.chunks import DATA_KEY, INFO, KEYS, SESSION, STARTED
from samples.recordings import engine, shown, waiting_chunks

from config.model import RecorderSettings
from recorder.chunk import frame
from recorder.clock import ManualClock, SystemClock
from recorder.events import (
    EndReason,
    Event,
    KnownEvent,
    SessionEnded,
    SessionStarted,
    TargetData,
    encode_burst,
)
from recorder.recovery import recover
from recorder.segment import front_of
from recorder.spool import Spool

BURSTS: list[list[KnownEvent]] = [
    [SessionStarted(at_ms=0, info=INFO)],
    *(
        [TargetData(at_ms=number, channel=0, data=b"%d" % number * size)]
        for number, size in enumerate((1, 40, 300, 2, 7), start=1)
    ),
]
FRONT = front_of(SESSION, STARTED, DATA_KEY.wrapped)
FRAMES = [
    frame(b"".join(DATA_KEY.encrypt_frame(0, number, encode_burst(burst))))
    for number, burst in enumerate(BURSTS)
]


def recovered(folder: Path) -> list[Event]:
    spool = Spool(folder, RecorderSettings(), ManualClock(), KEYS)
    spool.prepare()
    recover(spool)
    chunks = waiting_chunks(spool) if spool.folder(SESSION).exists() else []
    assert [chunk.header.end_reason is not None for chunk in chunks] == [False] * (
        len(chunks) - 1
    ) + [True] * bool(chunks)
    return [event for chunk in chunks for event in chunk.unpack()]


def dead(folder: Path, *segments: bytes) -> Path:
    (folder / str(SESSION)).mkdir(parents=True)
    for number, content in enumerate(segments):
        (folder / str(SESSION) / f"{number}.open").write_bytes(content)
    return folder


@settings(deadline=None)
@given(st.integers(0, len(FRONT) + sum(map(len, FRAMES))), st.booleans())
def test_a_death_at_any_byte_keeps_every_whole_burst(at_byte: int, zeros: bool):  # noqa: FBT001
    written = (FRONT + b"".join(FRAMES))[:at_byte] + bytes(64) * zeros
    whole = [
        event
        for number, burst in enumerate(BURSTS)
        for event in burst
        if written.startswith(FRONT + b"".join(FRAMES[: number + 1]))
    ]
    with tempfile.TemporaryDirectory() as folder:
        events = recovered(dead(Path(folder), written))
    if not whole:
        assert events == []
        return
    assert events[:-1] == whole
    assert events[-1] == SessionEnded(at_ms=whole[-1].at_ms, reason=EndReason.ENGINE_CRASHED)


@settings(deadline=None)
@given(st.integers(0, 8 * (len(FRONT) + sum(map(len, FRAMES))) - 1))
def test_a_flipped_bit_in_a_segment_never_gives_another_event(bit: int):
    damaged = bytearray(FRONT + b"".join(FRAMES))
    damaged[bit // 8] ^= 1 << bit % 8
    with tempfile.TemporaryDirectory() as folder:
        events = recovered(dead(Path(folder), bytes(damaged)))
    sound = [event for burst in BURSTS for event in burst]
    assert events[:-1] == sound[: max(0, len(events) - 1)]
    assert len(events) - 1 < len(sound)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.integers(1, 3000), min_size=1, max_size=30),
    st.integers(0, 2**32),
    st.sampled_from([4096, 8192, 65536]),
)
def test_events_survive_exactly_once_through_random_rotation_and_death(
    sizes: list[int], seed: int, chunk_max_bytes: int
):
    async def record(folder: Path, copy: Path) -> bytes:
        limits = RecorderSettings(chunk_max_bytes=chunk_max_bytes)
        async with engine(folder, limits, SystemClock()) as running:
            running.store.failing = ConnectionError("away")
            sink, sent = await running.start(), b""
            for number, size in enumerate(sizes):
                text = b"%d " % number * size
                sink.record([shown(sink, text)])
                sent += text
                if (seed >> number) & 1:
                    await asyncio.sleep(0)
            # A copy taken now is what a kill leaves, even half way through a seal.
            _copy(folder, copy)
        return sent

    with tempfile.TemporaryDirectory() as folder:
        sent = asyncio.run(record(Path(folder, "spool"), Path(folder, "copy")))
        events = recovered(Path(folder, "copy"))
    assert b"".join(event.data for event in events if isinstance(event, TargetData)) == sent


def _copy(folder: Path, copy: Path) -> None:
    """Copy the segments first: one sealed meanwhile is there twice, never not at all."""
    session = copy / str(SESSION)
    session.mkdir(parents=True)
    for pattern in ("*.open", "*.chunk", "link"):
        for file in (folder / str(SESSION)).glob(pattern):
            try:
                shutil.copyfile(file, session / file.name)
            except FileNotFoundError:
                continue
