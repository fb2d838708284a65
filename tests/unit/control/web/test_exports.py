import asyncio
import contextlib
import threading
from collections.abc import Iterator

import anyio.to_thread
import pytest

from control.errors import ConflictError, NotFoundError
from control.web.exports import Exports


async def test_an_export_comes_in_pieces_and_its_end_is_the_end():
    pieces = Exports().made("ana", iter([b"", b"one", b"", b"two"]))
    assert [piece async for piece in pieces] == [b"one", b"two"]


async def test_what_is_refused_is_heard_of():
    def refused() -> Iterator[bytes]:
        yield b""
        raise NotFoundError("it was deleted")

    with pytest.raises(NotFoundError):
        await anext(Exports().made("ana", refused()))


async def test_who_only_looks_does_not_wait_for_exports():
    going_on = threading.Event()

    def slow() -> Iterator[bytes]:
        going_on.wait(10)
        yield b"x"

    exports, looking = Exports(), anyio.to_thread.current_default_thread_limiter()
    before, looking.total_tokens = looking.total_tokens, 3
    waiting = [
        asyncio.ensure_future(anext(exports.made(f"user{number}", slow())))  # noqa: TID251
        for number in range(8)
    ]
    async with asyncio.timeout(5):
        await asyncio.sleep(0.1)
        assert await anyio.to_thread.run_sync(lambda: "looked") == "looked"
        going_on.set()
        assert await asyncio.gather(*waiting) == [b"x"] * 8
    looking.total_tokens = before


async def test_one_person_has_a_few_made_at_once_and_others_have_theirs():
    ended: list[bool] = []

    def endless() -> Iterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            ended.append(True)

    exports = Exports()
    async with contextlib.AsyncExitStack() as stack:

        def begun(who: str):
            made = exports.made(who, endless())
            stack.push_async_callback(made.aclose)
            return anext(made)

        for _ in range(3):
            await begun("ana")
        with pytest.raises(ConflictError, match="wait for one"):
            await begun("ana")
        assert await begun("bo") == b"x"
    assert len(ended) == 4
    again = exports.made("ana", endless())
    assert await anext(again) == b"x"
    await again.aclose()
