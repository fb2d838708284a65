from recorder.replay.alis import MAGIC, LiveStream


def test_a_stream_begins_with_a_screen_and_goes_on_in_steps():
    stream = LiveStream()
    assert MAGIC == b"ALiS\x01"
    assert stream.reset(2, (80, 300), b"hi") == b"\x01\x00\xd0\x0f\x50\xac\x02\x00\x02hi"
    assert stream.output(3, "é".encode()) == b"o\x01\xe8\x07\x02\xc3\xa9"
    assert stream.resized(3, (100, 30)) == b"r\x02\x00\x64\x1e"
    assert stream.typed(4, b"x" * 200) == b"i\x03\xe8\x07\xc8\x01" + b"x" * 200
    assert stream.end(5) == b"\x04\xe8\x07"


def test_a_late_key_does_not_turn_time_back():
    stream = LiveStream()
    stream.reset(0, (80, 24), b"")
    stream.output(5, b"a")
    assert stream.typed(3, b"a")[:3] == b"i\x02\x00"
    assert stream.output(6, b"b")[2:4] == b"\xe8\x07"


def test_a_second_reset_says_how_much_came_before():
    stream = LiveStream()
    stream.output(1, b"x")
    assert stream.reset(1, (1, 1), b"")[1:2] == b"\x01"
