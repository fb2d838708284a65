"""Recorded desktops on their page, in Chromium: what a film lacks, and one that takes long."""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID, uuid4

import av
import pytest
from msgspec.structs import replace
from peers.chromium import AUDITOR, Visit, add_auditor, violations
from peers.daemon import Daemon, MakeDaemon
from peers.needed import wait_until
from playwright.sync_api import Browser, Page
from samples.chunks import INFO
from samples.desktops import recorded
from samples.planted import plant

from recorder.events import (
    ClientData,
    DesktopStarted,
    EndReason,
    KnownEvent,
    SessionEnded,
    SessionStarted,
    TargetData,
)
from recorder.session_info import TargetProtocol

pytestmark = pytest.mark.peers
LONG_MS = 15 * 60_000
TARGET = replace(INFO.target, protocol=TargetProtocol.RDP, port=3389)


def planted(daemon: Daemon, events: Sequence[KnownEvent]) -> str:
    """A session as an engine would have recorded it, a chunk for each twenty seconds."""
    info = replace(INFO, session_id=uuid4(), target=TARGET)
    parts: list[list[KnownEvent]] = [[SessionStarted(at_ms=0, info=info)]]
    for event in events:
        if event.at_ms - parts[-1][0].at_ms > 20_000:
            parts.append([])
        parts[-1].append(event)
    end = SessionEnded(at_ms=events[-1].at_ms, reason=EndReason.CLIENT_LEFT)
    plant(daemon.config, info.session_id, [*parts[:-1], [*parts[-1], end]])
    return str(info.session_id)


def again_and_again(length_ms: int) -> Iterator[KnownEvent]:
    """What happened in four seconds, for so long."""
    started, *events = recorded("plain")
    yield started
    for begun_ms in range(0, length_ms, 5000):
        for event in events:
            assert isinstance(event, ClientData | TargetData)
            yield replace(event, at_ms=begun_ms + event.at_ms)


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon) -> Daemon:
    daemon = make_daemon(page=True)
    add_auditor(daemon)
    return daemon


@pytest.fixture(scope="module")
def sessions(daemon: Daemon) -> dict[str, str]:
    """By what is to be seen of each, its session."""
    keys = [one for one in recorded("us") if isinstance(one, ClientData | DesktopStarted)]
    ids = {
        "resized": planted(daemon, recorded("resized")),
        "keys": planted(daemon, keys),
        "long": planted(daemon, list(again_and_again(LONG_MS))),
        "holed": planted(daemon, list(again_and_again(120_000))),
    }
    daemon.restart()
    wait_until(lambda: daemon.cli("status", check=False).status == 0, "no answer")
    daemon.indexed()
    return ids


@pytest.fixture(scope="module")
def visit(chromium: Browser, daemon: Daemon, sessions: dict[str, str]) -> Iterator[Visit]:
    assert sessions
    visit = Visit.begun(chromium, daemon, viewport={"width": 1280, "height": 900})
    visit.log_in(*AUDITOR)
    yield visit
    visit.context.close()


def opened(visit: Visit, session: str) -> Page:
    page = visit.go(f"/sessions/{session}")
    page.wait_for_selector('[data-part="state"][data-ready]', state="attached")
    return page


def listed(page: Page) -> list[str]:
    return page.locator('[data-part="lines"] span').all_inner_texts()


def test_what_a_picture_does_not_say_is_among_the_lines(
    visit: Visit, sessions: dict[str, str]
) -> None:
    page = opened(visit, sessions["resized"])
    assert "(proxyd: the desktop is now 800 x 560)" in listed(page)


def test_a_recording_without_pictures_says_so_and_shows_what_was_typed(
    visit: Visit, sessions: dict[str, str]
) -> None:
    page = opened(visit, sessions["keys"])
    page.get_by_text("There is no film: the recording has no pictures").wait_for()
    assert not page.locator("video").is_visible()
    assert 'echo "Hello, World!" ~{}|<>?_+' in listed(page)
    assert violations(page) == []


def test_who_jumps_ahead_of_a_film_is_told_how_far_it_is_and_comes_there(
    visit: Visit, sessions: dict[str, str]
) -> None:
    page = opened(visit, sessions["long"])
    video, said = page.locator("video"), page.locator('[data-part="say"]')
    wait_until(lambda: video.evaluate("one => one.readyState > 1"), "no film", seconds=60)
    page.evaluate("document.querySelector('[data-play]').page.go(890)")
    wait_until(lambda: "still being made" in said.inner_text(), "nothing is said")
    there = "one => !one.seeking && one.readyState > 1 && one.currentTime > 889"
    wait_until(lambda: video.evaluate(there), "it never comes there", seconds=120)
    wait_until(lambda: "still being made" not in said.inner_text(), "it is said for ever")


def test_behind_a_chunk_that_was_lost_a_film_goes_on_with_what_was_kept_of_the_desktop(
    daemon: Daemon, sessions: dict[str, str], tmp_path: Path
) -> None:
    session, film = sessions["holed"], tmp_path / "film.mp4"
    with sqlite3.connect(daemon.state / "proxyd.db", timeout=20) as database:
        which = "WHERE session_id = ? AND sequence = 3"
        [chunk] = database.execute(
            f"SELECT first_ms, last_ms FROM chunks {which}",  # noqa: S608 - its own text
            (UUID(session).hex,),
        )
        database.execute(f"DELETE FROM chunks {which}", (UUID(session).hex,))  # noqa: S608
    said = daemon.cli(
        *("session", "export", session, "--format", "video", "--out", str(film))
    ).said
    assert "exported without what is missing" in said
    with av.open(str(film)) as container:
        frames = [
            (round(1000 * (frame.time or 0)), shows_nothing(frame))
            for frame in container.decode(video=0)
        ]
    lacking = [at_ms for at_ms, is_pattern in frames if is_pattern]
    first_ms, last_ms = chunk
    assert lacking
    assert first_ms - 5000 < lacking[0] <= first_ms
    assert lacking[-1] <= last_ms + 2000
    # At once, though nothing is drawn there but what changes.
    assert [is_pattern for at_ms, is_pattern in frames if at_ms > last_ms + 2000][:5] == (
        [False] * 5
    )


def shows_nothing(frame: av.VideoFrame) -> bool:
    """Say whether its corner is the pattern that stands for what is not known."""
    pixels = bytes(frame.reformat(format="gray").planes[0])
    dark, light = pixels[8 + 4], pixels[4]
    return abs(light - 0x60) < 12 and abs(dark - 0x48) < 12
