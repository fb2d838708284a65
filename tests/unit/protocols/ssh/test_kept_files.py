"""The contents of files, out of what was recorded of their channels."""

import hashlib
from itertools import zip_longest

from msgspec import structs

from protocols.ssh import kept_files as keeping
from protocols.ssh.kept_files import kept_files
from protocols.ssh.packets import string, uint32
from protocols.ssh.sftp_messages import Kind
from recorder.events import (
    CaptureTruncated,
    ChannelRequested,
    ClientData,
    KnownEvent,
    RecordingGap,
    Stream,
    TargetData,
)

CONTENTS = b"what crossed"


def message(kind: int, ident: int, *fields: bytes) -> bytes:
    return string(bytes((kind,)) + uint32(ident) + b"".join(fields))


def client(data: bytes) -> ClientData:
    return ClientData(at_ms=0, channel=0, data=data)


def target(data: bytes) -> TargetData:
    return TargetData(at_ms=0, channel=0, data=data)


def asked(request: str, detail: bytes) -> ChannelRequested:
    return ChannelRequested(at_ms=0, channel=0, request=request, detail=detail)


def upload() -> list[KnownEvent]:
    status = uint32(0) + string(b"") + string(b"")
    opened = message(Kind.OPEN, 1, string(b"/srv/a"), uint32(0x1A), uint32(0))
    written = message(Kind.WRITE, 2, string(b"h"), bytes(8), string(CONTENTS))
    return [
        asked("subsystem", b"sftp"),
        client(opened),
        target(message(Kind.HANDLE, 1, string(b"h"))),
        client(written[:30]),
        client(written[30:]),
        target(message(Kind.STATUS, 2, status)),
        client(message(Kind.CLOSE, 3, string(b"h"))),
        target(message(Kind.STATUS, 3, status)),
    ]


def download() -> list[KnownEvent]:
    line = f"C0644 {len(CONTENTS)} a\n".encode()
    return [
        asked("exec", b"scp -f /srv/a"),
        client(b"\0"),
        target(line),
        client(b"\0"),
        target(CONTENTS + b"\0"),
        client(b"\0"),
    ]


def test_what_was_recorded_whole_is_there_whole():
    for events, operation in ((upload(), "upload"), (download(), "download")):
        [(touched, contents)] = kept_files(events)
        assert (touched.operation, touched.path, contents) == (operation, "/srv/a", CONTENTS)
        assert touched.sha256 == hashlib.sha256(CONTENTS).digest()


def test_files_of_two_channels_that_cross_at_once_are_told_apart():
    beside = [structs.replace(event, channel=1) for event in download()]
    both = [event for pair in zip_longest(upload(), beside) for event in pair if event]
    found = [(one.channel, one.operation, contents) for one, contents in kept_files(both)]
    assert found == [(1, "download", CONTENTS), (0, "upload", CONTENTS)]


def test_behind_what_is_missing_nothing_is_put_together():
    cut = CaptureTruncated(at_ms=0, channel=0, stream=Stream.CLIENT, kept_bytes=1)
    gap = RecordingGap(at_ms=0, from_ms=0, reason="the disk")
    for missing in (cut, gap):
        events = upload()
        events.insert(4, missing)
        assert list(kept_files(events)) == []


def test_what_is_too_large_is_left_out(monkeypatch):
    monkeypatch.setattr(keeping, "FILE_LIMIT_BYTES", 3)
    events = [*upload()[:4], client(b""), *upload()[4:]]
    assert list(kept_files(events)) == []


def test_other_channels_hold_no_files():
    assert list(kept_files([asked("exec", b"cat"), client(b"x"), target(b"y")])) == []
