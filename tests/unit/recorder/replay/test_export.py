import json

import pytest
from samples.chunks import INFO

from recorder.events import (
    ChannelOpened,
    ChannelRequested,
    ClientData,
    Event,
    KnownEvent,
    SessionStarted,
    Stream,
    StreamDigested,
    TargetData,
    TargetErrorData,
    TerminalRequested,
    UnknownEvent,
)
from recorder.replay.export import event_lines, input_bytes, output_bytes

EVENTS: list[KnownEvent] = [
    SessionStarted(at_ms=0, info=INFO),
    ChannelOpened(at_ms=1, channel=0, kind="session"),
    ChannelOpened(at_ms=2, channel=1, kind="direct-tcpip", detail="db:5432"),
    ClientData(at_ms=3, channel=0, data=b"\x00\xff", held_ms=2),
    TargetData(at_ms=4, channel=0, data=b"out"),
    TargetErrorData(at_ms=5, channel=0, data=b"err"),
    TargetData(at_ms=6, channel=0, data=b"\xfe"),
    ClientData(at_ms=7, channel=1, data=b"SELECT"),
    TargetData(at_ms=8, channel=1, data=b"rows"),
    ChannelOpened(at_ms=9, channel=2, kind="session"),
    TargetData(at_ms=10, channel=2, data=b"two"),
]


def line(event: Event) -> dict[str, object]:
    (text,) = event_lines([event])
    decoded: dict[str, object] = json.loads(text)
    return decoded


def test_output_is_what_sessions_showed_with_both_streams_as_they_came() -> None:
    assert b"".join(output_bytes(EVENTS)) == b"outerr\xfetwo"


def test_input_is_what_was_sent_to_sessions() -> None:
    assert b"".join(input_bytes(EVENTS)) == b"\x00\xff"


def test_an_event_is_a_line_that_begins_with_its_time_and_kind() -> None:
    (text,) = event_lines([EVENTS[5]])
    assert text == (
        b'{"at_ms":5,"type":"target_error_data","channel":0,"data_base64":"ZXJy"}\n'
    )


def test_the_start_tells_who_and_where() -> None:
    started = line(EVENTS[0])
    assert started["type"] == "session_started"
    assert started["info"]["target"]["host"] == "10.0.0.5"  # type: ignore[index]


@pytest.mark.parametrize(
    ("detail", "key", "value"),
    [(b"ls /tmp", "detail", "ls /tmp"), (b"\xff", "detail_base64", "/w==")],
)
def test_raw_text_is_text_where_it_is_utf_8(detail: bytes, key: str, value: str) -> None:
    event = ChannelRequested(at_ms=1, channel=0, request="exec", detail=detail)
    assert line(event)[key] == value


def test_digests_are_hex_and_terminal_modes_are_base64() -> None:
    digest = StreamDigested(
        at_ms=1, channel=0, stream=Stream.TARGET, size_bytes=0, sha256=bytes(32)
    )
    assert line(digest)["sha256"] == "00" * 32
    terminal = TerminalRequested(
        at_ms=1, channel=0, terminal="xterm", columns=80, rows=24, modes=b"\x00"
    )
    assert line(terminal)["modes_base64"] == "AA=="


def test_a_kind_from_the_future_is_carried_whole() -> None:
    new = UnknownEvent(at_ms=9, body=b"\x92\xcc\xc8\x09")
    assert line(new) == {"at_ms": 9, "type": "unknown", "data_base64": "kszICQ=="}
