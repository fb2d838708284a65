"""Recordings put into a daemon's database, as if its engine had recorded them."""

from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from samples.chunks import SIGNER, Signers

from config.load import load
from control import master_key
from control.open_database import open_blob_store, open_database
from control.storage_keys import StorageKeys
from control.vault import open_vault
from recorder.chunk import SealReason, frame
from recorder.chunker import Chunker
from recorder.clock import SystemClock
from recorder.events import KnownEvent, SessionEnded, encode_burst
from storage.writer import Writer


def plant(config: Path, session_id: UUID, parts: Iterable[list[KnownEvent]]) -> None:
    """Store a session, a chunk for each of `parts`; its signer is one nobody knows."""
    settings, clock = load(config), SystemClock()
    with open_database(settings) as database:
        keys = StorageKeys(database, open_vault(database, master_key.locate(settings, None)))
        key = keys.current_recording_key(clock.now()).new_data_key(session_id)
        chunker = Chunker(session_id, key, SIGNER)
        writer = Writer(database, open_blob_store(settings), clock, keys, Signers())
        for events in parts:
            end = events[-1] if isinstance(events[-1], SessionEnded) else None
            chunk = chunker.seal(
                b"".join(frame(encode_burst([event])) for event in events),
                SealReason.END if end else SealReason.INTERVAL,
                first_at=clock.now(),
                end_reason=end.reason if end else None,
            )
            writer.store(chunk)
            chunker.follow(chunk)
