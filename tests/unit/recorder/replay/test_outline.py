from samples.chunks import INFO

from recorder.events import (
    ChannelClosed,
    ChannelOpened,
    ChannelRequested,
    ClientData,
    InputMasked,
    KnownEvent,
    NoticeShown,
    SessionStarted,
    TargetData,
    TargetErrorData,
    TerminalRequested,
    UnknownEvent,
)
from recorder.replay.outline import (
    Busy,
    Mark,
    Opened,
    Outline,
    decode_outline,
    encode_outline,
    outline_of,
)

OPENING: list[KnownEvent] = [
    SessionStarted(at_ms=0, info=INFO),
    ChannelOpened(at_ms=5, channel=0, kind="session"),
    TerminalRequested(at_ms=6, channel=0, terminal="xterm", columns=100, rows=30),
]


def test_a_shell_and_a_command_can_be_played_and_a_forward_cannot():
    outline = outline_of(
        [
            *OPENING,
            ChannelOpened(at_ms=9, channel=1, kind="direct-tcpip", detail="db:5432"),
            ChannelOpened(at_ms=12, channel=2, kind="session"),
        ]
    )
    assert outline.opened == [
        Opened(0, 5),
        Opened(0, 6, 100, 30, True),  # noqa: FBT003 - a field
        Opened(2, 12),
    ]


def test_what_crossed_is_counted_by_the_second():
    outline = outline_of(
        [
            TargetData(at_ms=999, channel=0, data=b"four"),
            TargetErrorData(at_ms=1000, channel=0, data=b"six..."),
            TargetData(at_ms=1999, channel=0, data=b"four"),
            ClientData(at_ms=1999, channel=1, data=b"ls"),
        ]
    )
    assert outline.busy == {0: [Busy(0, 4), Busy(1, 10)], 1: [Busy(1, 0, 2)]}


def test_a_key_counts_where_it_was_typed():
    outline = outline_of(
        [
            TargetData(at_ms=7000, channel=0, data=b"x"),
            ClientData(at_ms=7000, channel=0, data=b"y", held_ms=2500),
        ]
    )
    assert outline.busy == {0: [Busy(4, 0, 1), Busy(7, 1)]}


def test_landmarks_are_those_of_every_player():
    outline = outline_of(
        [
            ChannelRequested(at_ms=1, channel=0, request="exec", detail=b"uname"),
            InputMasked(at_ms=2, channel=0),
            NoticeShown(at_ms=3, channel=0, text="five minutes left"),
            ChannelRequested(at_ms=4, channel=0, request="env", detail=b"A=b"),
        ]
    )
    assert outline.marks == [
        Mark(1, 0, "exec: uname"),
        Mark(2, 0, "masked input"),
        Mark(3, 0, "notice: five minutes left"),
    ]


def test_a_flood_of_landmarks_and_channels_is_cut_off():
    flood: list[KnownEvent] = [InputMasked(at_ms=1, channel=0)] * 1000
    flood += [ChannelOpened(at_ms=1, channel=n, kind="session") for n in range(1000)]
    outline = outline_of(flood)
    assert (len(outline.marks), len(outline.opened)) == (256, 256)


def test_what_is_unknown_is_passed_over():
    closed = ChannelClosed(at_ms=3000, channel=0)
    outline = outline_of([UnknownEvent(at_ms=1, body=b""), closed])
    assert outline == Outline(busy={0: [Busy(3)]})


def test_an_outline_comes_back_as_it_was_stored():
    outline = outline_of(OPENING, screens=[4, 0])
    assert outline.screens == [0, 4]
    assert decode_outline(encode_outline(outline)) == outline


def test_an_outline_of_another_version_is_made_anew():
    assert decode_outline(encode_outline(Outline(version=99))) is None
    assert decode_outline(b"") is None
    assert decode_outline(b"\xc1") is None
