import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import pytest

from control.errors import NotFoundError
from control.web.films import Films, wanted_part

SESSION = UUID(int=7)


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, (0, 999)),
        ("bytes=0-", (0, 999)),
        ("bytes=10-19", (10, 19)),
        ("bytes=990-5000", (990, 999)),
        ("bytes=-10", (990, 999)),
        ("bytes=-5000", (0, 999)),
        ("bytes=1000-", None),
        ("bytes=20-10", None),
        ("bytes=-", (0, 999)),
        ("lines=1-2", (0, 999)),
        ("bytes=1-2,5-6", (0, 999)),
    ],
)
def test_a_player_gets_the_part_that_it_asks_for(
    header: str | None, part: tuple[int, int] | None
):
    assert wanted_part(header, 1000) == part


async def test_a_film_is_made_once_and_read_in_parts():
    films, content = Films(), bytes(range(256)) * 4000
    film = await films.of(SESSION, iter([content[:1000], content[1000:]]))
    assert film.size_bytes == len(content)
    again = await films.of(SESSION, iter(()))
    assert b"".join([piece async for piece in again.part(500, 700_000)]) == content[500:700_001]


async def test_few_films_are_kept():
    films = Films()
    for number in range(6):
        await films.of(UUID(int=number), iter([b"first"]))
    assert (await films.of(UUID(int=5), iter([b"second time"]))).size_bytes == 5
    assert (await films.of(UUID(int=0), iter([b"second time"]))).size_bytes == 11


async def test_a_film_that_cannot_be_made_is_tried_again():
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise NotFoundError("no desktop was shown")

    films = Films()
    with pytest.raises(NotFoundError):
        await films.of(SESSION, broken())
    assert (await films.of(SESSION, iter([b"whole"]))).size_bytes == 5


async def test_who_asks_for_all_of_it_is_sent_what_is_ready():
    proceed = threading.Event()

    def slow() -> Iterator[bytes]:
        yield from (b"one", b"")
        proceed.wait(5)
        yield b"two"

    films = Films()
    growing = films.growing(SESSION, slow())
    assert await anext(growing) == b"one"
    assert films.kept(SESSION) is None
    proceed.set()
    assert await whole(growing) == b"two"
    film = films.kept(SESSION)
    assert film is not None
    assert film.size_bytes == 6
    assert await whole(films.growing(SESSION, unwanted())) == b"onetwo"


async def test_a_film_that_nobody_waits_for_is_given_up():
    ended: list[bool] = []

    def endless() -> Iterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            ended.append(True)

    films = Films()
    for tries in range(1, 4):
        growing = films.growing(SESSION, endless())
        await anext(growing)
        await growing.aclose()
        assert len(ended) == tries
    assert films.kept(SESSION) is None


async def test_who_stops_reading_a_film_keeps_nobody_from_theirs():
    films = Films()
    stopped = [films.growing(UUID(int=one), iter([b"x"] * 100)) for one in range(4)]
    async with asyncio.timeout(5):
        for growing in stopped:
            assert await anext(growing) == b"x"
        assert (await films.of(SESSION, iter([b"whole"]))).size_bytes == 5
    for growing in stopped:
        await growing.aclose()


async def test_who_comes_while_a_film_is_made_sees_the_same_one_grow():
    proceed = threading.Event()

    def made() -> Iterator[bytes]:
        yield b"one"
        proceed.wait(5)
        yield b"two"

    films = Films()
    first, second = films.growing(SESSION, made()), films.growing(SESSION, unwanted())
    assert [await anext(first), await anext(second)] == [b"one", b"one"]
    await first.aclose()
    proceed.set()
    assert [piece async for piece in second] == [b"two"]
    assert films.kept(SESSION) is not None


def unwanted() -> Iterator[bytes]:
    yield b""
    raise AssertionError("it is made a second time")


async def test_whoever_waits_hears_that_a_film_cannot_be_made():
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise NotFoundError("no desktop was shown")

    films = Films()
    waiting = (films.growing(SESSION, broken()), films.growing(SESSION, unwanted()))
    heard = await asyncio.gather(*map(whole, waiting), return_exceptions=True)
    assert [type(one) for one in heard] == [NotFoundError, NotFoundError]


async def whole(growing: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in growing])
