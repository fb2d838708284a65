import pytest

from recorder.replay.channel import Channel, ChannelState


class Told:
    def __init__(self, state: ChannelState) -> None:
        self.lines: list[tuple[int, str, str]] = []
        self.channel = Channel(state, self.tell, with_screen=True)

    def tell(self, at_ms: int, kind: str, text: str) -> None:
        if text:
            self.lines.append((at_ms, kind, text))


@pytest.fixture
def told() -> Told:
    return Told(ChannelState())


def test_a_line_in_pieces_is_one_line(told: Told):
    for at_ms, data in enumerate((b"on", b"e gr\xc3", b"\xbc\xc3\x9fe\ntwo")):
        told.channel.show(at_ms, data)
    told.channel.close(9)
    assert told.lines == [(2, "output", "one grüße"), (9, "output", "two")]


def test_a_progress_bar_is_several_lines(told: Told):
    told.channel.show(1, b"10%\r50%\r100%\r\n")
    assert [text for _, _, text in told.lines] == ["10%", "50%", "100%"]


def test_a_line_without_end_is_cut_in_parts(told: Told):
    told.channel.show(1, b"x" * 2500 + b"\n")
    assert [len(text) for _, _, text in told.lines] == [1000, 1000, 500]


def test_the_streams_do_not_mix(told: Told):
    told.channel.show(1, b"out ")
    told.channel.show_error(2, b"error\n")
    told.channel.type(3, b"input\n")
    told.channel.show(4, b"put\n")
    assert told.lines == [
        (2, "output", "error"),
        (3, "input", "input"),
        (4, "output", "out put"),
    ]


def test_a_script_is_a_command_a_line(told: Told):
    told.channel.request(1, "exec", b"cd /srv\nmake")
    told.channel.request(2, "env", b"LANG=C")
    assert told.lines == [(1, "command", "cd /srv"), (1, "command", "make")]


def test_a_title_is_told_when_it_changes(told: Told):
    told.channel.resize(0, 80, 24)
    for at_ms in (1, 2):
        told.channel.show(at_ms, b"\x1b]2;same\x1b\\")
    told.channel.show(3, b"\x1b]0;other\x07")
    assert told.lines == [(1, "title", "same"), (3, "title", "other")]


def test_a_channel_goes_on_where_it_was_suspended(told: Told):
    told.channel.resize(0, 80, 24)
    told.channel.show(1, b"$ ")
    told.channel.type(2, b"wh")
    resumed = Told(told.channel.suspend())
    resumed.channel.show(3, b"wh")
    resumed.channel.type(4, b"o\r")
    resumed.channel.show(5, b"o\r\n")
    assert resumed.lines == [(4, "input", "who"), (4, "command", "who")]
