"""`proxyd session watch`: a session as it goes on, in the operator's terminal."""

import queue
import threading
import time
from collections.abc import Iterator
from uuid import UUID

import click

from control.errors import ControlError, NotFoundError
from control.live_requests import FollowSession, LiveFrames
from proxyd.cli.errors import CommandFailedError
from proxyd.cli.invocation import Invocation, Operator, pass_invocation
from proxyd.cli.keyboard import Keyboard, keyboard
from proxyd.cli.output_file import STANDARD_OUTPUT
from proxyd.cli.session_pictures import watch_pictures
from proxyd.cli.session_play import BELOW, draw
from proxyd.cli.stored import StoredSession, find
from recorder.chunk import decode
from recorder.replay.live_view import LiveView

_FEED_FRAMES = 1024
"""Frames that may wait to be drawn; beyond that the node waits for us, or leaves us."""
_LOOK_S = 1.0
"""How often to ask for the chunk that closes the hole before the live feed."""
_KEY_S = 0.02


@click.command()
@click.argument("session_id", metavar="ID")
@click.option("--channel", type=int, help="The channel to watch. Default: the first terminal.")
@click.option(
    "--out",
    metavar="FILE",
    default=STANDARD_OUTPUT,
    help="Of a desktop: keep its newest picture there. Default: -, all of them to a pipe.",
)
@pass_invocation
def watch(invocation: Invocation, session_id: str, *, channel: int | None, out: str) -> None:
    """Watch a live session until it ends; q quits.

    A desktop is shown as PNG pictures, as often as it changes and at most ten a second.
    """
    with invocation.operator() as operator:
        session = find(operator, session_id)
        if not session.live:
            raise CommandFailedError(
                f"session {session.summary.id} is {session.summary.state}: use `session play`"
            )
        if session.is_desktop:
            watch_pictures(session, out)
            click.echo("proxyd: the session ended", err=True)
            return
        with keyboard() as keys:
            ended = _follow(session, keys, channel)
    click.echo("proxyd: the session ended" if ended else "proxyd: it goes on", err=True)


def _follow(session: StoredSession, keys: Keyboard, channel: int | None) -> bool:
    """Draw the session until it ends or the operator leaves; say whether it ended."""
    while session.live:
        view = LiveView(channel)
        try:
            if not _attend(session, view, keys):
                return False
            if view.ended:
                return True
        finally:
            draw(view.end() + BELOW)
        # The feed broke off: either the end of the session or we were too slow for it.
        session = find(session.operator, str(session.summary.id))
    view = LiveView(channel)
    _store(session, view)
    draw(view.redraw() + view.end() + BELOW)
    return True


def _attend(session: StoredSession, view: LiveView, keys: Keyboard) -> bool:
    """Draw until the feed is over; return whether the operator stayed."""
    _store(session, view)
    feed = _Feed(session.operator, session.summary.id)
    _store(session, view)
    draw(view.redraw())
    if not view.next_sequence:
        click.echo("proxyd: live from here; what was shown before follows shortly", err=True)
    looked_s = time.monotonic()
    while not view.ended and not feed.over:
        if keys.read(_KEY_S) == "q":
            return False
        for body in feed.waiting():
            draw(view.feed(body))
        if not view.joined and time.monotonic() - looked_s > _LOOK_S:
            looked_s = time.monotonic()
            if _store(session, view):
                draw(view.redraw())
    return True


def _store(session: StoredSession, view: LiveView) -> bool:
    """Hand the view the chunks that it lacks; return whether there was one."""
    before = view.next_sequence
    for chunk in session.chunks(before):
        view.store(decode(chunk.encoded, chunk.data_key))
    return view.next_sequence != before


class _Feed:
    """The live feed, read by a thread of its own: it may be silent for hours."""

    def __init__(self, operator: Operator, session_id: UUID) -> None:
        self._stream: Iterator[LiveFrames] = operator.stream(FollowSession(id=session_id))
        self._frames: queue.Queue[bytes] = queue.Queue(_FEED_FRAMES)
        self._error: ControlError | None = None
        self._thread = threading.Thread(target=self._read, daemon=True, name="live feed")
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether nothing more will come; raises the error that it broke off with."""
        if self._thread.is_alive() or not self._frames.empty():
            return False
        # A session that has just ended is no longer there to be followed.
        if self._error is not None and not isinstance(self._error, NotFoundError):
            raise self._error
        return True

    def waiting(self) -> Iterator[bytes]:
        """Yield the frames that have come."""
        for _ in range(_FEED_FRAMES):
            try:
                yield self._frames.get_nowait()
            except queue.Empty:
                return

    def _read(self) -> None:
        try:
            for frames in self._stream:
                self._frames.put(frames.body)
        except ControlError as error:
            self._error = error
