"""Processes of the indexer that break at a chunk.

They are spawned, and read this module: it reads no more than they need.
"""

import os
import time

from recorder.chunk import decode
from recorder.replay.comprehend import Comprehension, comprehend


def dying_at_second(
    state: bytes | None, encoded: bytes, data_key: bytes, *, with_screens: bool
) -> Comprehension:
    if b"three" in decode(encoded, data_key).frames():
        os._exit(1)
    return comprehend(state, encoded, data_key, with_screens=with_screens)


def hanging_at_second(
    state: bytes | None, encoded: bytes, data_key: bytes, *, with_screens: bool
) -> Comprehension:
    if b"three" in decode(encoded, data_key).frames():
        time.sleep(60)
    return comprehend(state, encoded, data_key, with_screens=with_screens)


def dying_of_screens(
    state: bytes | None, encoded: bytes, data_key: bytes, *, with_screens: bool
) -> Comprehension:
    if b"three" in decode(encoded, data_key).frames() and with_screens:
        os._exit(1)
    return comprehend(state, encoded, data_key, with_screens=with_screens)


def hanging_with_screens(
    state: bytes | None, encoded: bytes, data_key: bytes, *, with_screens: bool
) -> Comprehension:
    if b"three" in decode(encoded, data_key).frames() and with_screens:
        time.sleep(60)
    return comprehend(state, encoded, data_key, with_screens=with_screens)
