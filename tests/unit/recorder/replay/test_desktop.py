import pytest
from samples.bitmaps import BothDecoders
from samples.chunks import chunk
from samples.desktops import SHOWN, Watched, desktop_chunks, recorded, screenshot, text_of

from recorder.errors import MalformedPduError
from recorder.events import ClientData, InputMasked, RecordingGap, TargetData
from recorder.replay.comprehend import Comprehension, Line, behind_gap, comprehend
from recorder.replay.desktop import DesktopState
from recorder.replay.rdp.bitmaps import PureDecoder
from recorder.replay.rdp.screen import Screen
from recorder.replay.terminal import MAX_LINE


def differing(one: bytes, other: bytes) -> int:
    """Return how many pixels are not the same."""
    assert len(one) == len(other)
    rows = range(0, len(one), 4)
    return sum(one[at : at + 4] != other[at : at + 4] for at in rows) if one != other else 0


def understood(name: str, events_each: int) -> tuple[list[Line], bytes]:
    lines: list[Line] = []
    after = Comprehension(state=b"", lines=[])
    for one in desktop_chunks(name, events_each):
        after = comprehend(after.state or None, one.encoded, one.data_key)
        lines += after.lines
    return lines, after.state


@pytest.mark.parametrize("name", SHOWN)
def test_the_last_picture_is_the_clients_to_the_pixel_with_either_decoder(name: str):
    decoder = BothDecoders()
    watched = Watched(decoder).take(recorded(name))
    assert differing(watched.pixels, screenshot(name)) == 0
    assert decoder.decoded > 50
    resized = ["(proxyd: the desktop is now 800 x 560)"] if name == "resized" else []
    assert watched.texts("output") == resized


def test_what_was_typed_and_clicked_has_its_times():
    watched = Watched().take(recorded("plain"))
    watched.desktop.close()
    assert watched.lines == [
        (2586, "click", "[Click 200,200]"),
        (3011, "input", "echo Hello-$((6*7))"),
        (3832, "input", "seq 60"),
    ]


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        (
            "us",
            [
                'echo "Hello, World!" ~{}|<>?_+',
                (
                    "abc[Left][Left][Home][End][Delete][F5][PageUp][Ctrl+A][Ctrl+K][CapsLock]Q1"
                    "[CapsLock][NumLock]7+[Tab][Escape][Ctrl+C]"
                ),
                "[Escape]",
            ],
        ),
        ("gb", ['"quoted" @home #1 £5 ~ \\| €2 ¬']),
        ("de", ["Größe zu Yäh @€{[]}\\~|<>#;:_", "áô`É"]),
        # The É that this keyboard lacks was typed by a key that has no scan code.
        ("fr", ["té à la plage ç'est 123 &é\"'(-_)=@#{[|`^]}€ AZERTY?./", "ê^^"]),
    ],
)
def test_typed_text_is_what_was_typed_on_that_keyboard(name: str, typed: list[str]):
    watched = Watched().take(recorded(name))
    watched.desktop.close()
    assert watched.texts("input") == typed


def test_copied_text_crosses_both_ways_whole():
    watched = Watched().take(recorded("clip"))
    told = watched.texts("clipboard")
    to_target = [line for line in told if line.startswith("to target: ")]
    assert "\n".join(line.removeprefix("to target: ") for line in to_target) + "\n" == text_of(
        "copied-to-target.txt"
    )
    # A line longer than the index takes is cut.
    first, second, *parts = [line for line in told if line not in to_target]
    first_line, second_line = text_of("copied-from-target.txt").split("\n")
    assert first == f"from target: {first_line}"
    assert (
        "".join(part.removeprefix("from target: ") for part in [second, *parts]) == second_line
    )
    assert max(map(len, told)) < MAX_LINE
    assert watched.texts("file") == [
        "copied to target: Übersicht 1.txt (11 bytes)",
        "copied to target: zero.bin (5000 bytes)",
    ]


def test_a_session_means_the_same_in_whatever_chunks_it_comes():
    whole, _ = understood("mppc", 10**6)
    pieces, state = understood("mppc", 20)
    assert pieces == whole
    assert [line.text for line in whole if line.kind == "input"] == [
        "[Click 200,200]",
        "echo Hello-$((6*7))",
        "seq 60",
    ]
    assert len(state) < 30_000


def test_copied_text_and_names_are_in_the_index():
    lines, _ = understood("clip", 30)
    assert any(line.kind == "clipboard" and "äöü€ 😀" in line.text for line in lines)
    assert any(line.kind == "file" and "Übersicht 1.txt" in line.text for line in lines)


@pytest.mark.parametrize("missing", [2, 4])
def test_behind_a_lost_chunk_nothing_false_is_shown_and_it_is_said(missing: int):
    chunks = desktop_chunks("mppc", 20)
    lines: list[Line] = []
    state = None
    for number, one in enumerate(chunks):
        if number == missing:
            state = behind_gap(state)
            continue
        after = comprehend(state, one.encoded, one.data_key)
        state, lines = after.state, lines + after.lines
    assert [line.text for line in lines if line.kind == "output"] == [
        "(proxyd: the recording has a gap: the picture is unknown until it is drawn anew)"
    ]
    shown, right = picture_in(state), screenshot("mppc")
    pixels = {
        shown[at : at + 4]
        for at in range(0, len(shown), 4)
        if shown[at : at + 4] != right[at : at + 4]
    }
    assert pixels <= {b"\x60\x60\x60\xff", b"\x48\x48\x48\xff"}


def test_a_gap_in_the_recording_is_one_in_the_picture():
    started, *events = recorded("shadow")
    gap = RecordingGap(at_ms=3000, from_ms=2900, reason="no_room")
    early = [event for event in events if event.at_ms <= 3000]
    one = chunk([started, *early, gap, TargetData(at_ms=3001, channel=0, data=b"")])
    after = comprehend(None, one.encoded, one.data_key)
    assert [line.at_ms for line in after.lines if "has a gap" in line.text] == [3000]
    pixels = picture_in(after.state)
    assert {pixels[at : at + 4] for at in range(0, len(pixels), 4)} == {
        b"\x60\x60\x60\xff",
        b"\x48\x48\x48\xff",
    }


def picture_in(state: bytes | None) -> bytes:
    import msgspec  # noqa: PLC0415

    from recorder.replay.comprehend import _State  # noqa: PLC0415

    assert state is not None
    desktop = msgspec.msgpack.decode(state, type=_State).desktop
    assert isinstance(desktop, DesktopState)
    framebuffer = Screen(PureDecoder(), desktop.screen).framebuffer
    assert framebuffer is not None
    return bytes(framebuffer.pixels)


def test_without_screens_what_was_typed_is_found_all_the_same():
    (_, one, *_) = desktop_chunks("mppc", 10**6)
    after = comprehend(None, one.encoded, one.data_key, with_screens=False)
    assert "echo Hello-$((6*7))" in [line.text for line in after.lines]


def test_what_is_no_pdu_is_said_and_the_rest_goes_on():
    watched = Watched().take(recorded("plain"))
    before = watched.pixels
    watched.desktop.show(9000, b"\x01noise")
    watched.desktop.type(9001, b"\x03\x00\x00\x05")
    watched.desktop.show(9002, b"\x00\x82\xff")
    assert [text for text in watched.texts("output") if "cannot be read" in text] == (
        watched.texts("output")
    )
    assert len(watched.texts("output")) == 3
    assert watched.pixels == before


def test_what_is_not_drawn_is_said():
    watched = Watched().take(recorded("plain"))
    watched.desktop.show(9000, b"\x00\x08\x00\x03\x00\x01\x00\x0a")
    assert watched.texts("output") == [
        "(proxyd: the target drew in a way that was not agreed: the picture lacks something)"
    ]


def test_every_cut_of_every_pdu_is_taken():
    """Truncated PDUs are told, and never raise."""
    watched = Watched()
    started, *events = recorded("shadow")
    watched.begin(started)
    for event in events[:200]:
        if isinstance(event, TargetData | ClientData):
            data = event.data
            take = (
                watched.desktop.show if isinstance(event, TargetData) else watched.desktop.type
            )
            for size in {1, 3, 8, 15, 20, len(data) // 2, len(data) - 1}:
                take(event.at_ms, data[:size])


def test_a_desktop_larger_than_any_is_refused():
    with pytest.raises(MalformedPduError):
        Screen(PureDecoder()).resize(65535, 65535)


def test_where_keys_were_not_kept_the_index_says_so():
    begun = recorded("us")[0]
    masked = InputMasked(at_ms=begun.at_ms + 5, channel=0)
    one = chunk([begun, masked])
    [line] = comprehend(None, one.encoded, one.data_key).lines
    assert (line.at_ms, line.kind) == (begun.at_ms + 5, "input")
    assert "not kept" in line.text
