from collections.abc import Iterator
from uuid import UUID

import pytest
from peers.needed import wait_until

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
    made: list[bytes] = []

    def slow() -> Iterator[bytes]:
        for piece in (b"one", b"", b"two"):
            made.append(piece)
            yield piece

    films = Films()
    growing = films.growing(SESSION, slow())
    assert (await anext(growing), made) == (b"one", [b"one"])
    assert films.kept(SESSION) is None
    assert [piece async for piece in growing] == [b"two"]
    film = films.kept(SESSION)
    assert film is not None
    assert film.size_bytes == 6
    assert [piece async for piece in films.growing(SESSION, iter(()))] == [b"onetwo"]


async def test_a_film_that_nobody_waits_for_is_given_up():
    ended: list[bool] = []

    def long() -> Iterator[bytes]:
        try:
            yield from [b"x"] * 1000
        finally:
            ended.append(True)

    films, pieces = Films(), long()
    for _ in range(5):
        growing = films.growing(SESSION, pieces)
        await anext(growing)
        await growing.aclose()
    assert films.kept(SESSION) is None
    del pieces, growing
    # The thread that read the last piece lets go of it a moment later.
    wait_until(lambda: ended, "it is still being made")
