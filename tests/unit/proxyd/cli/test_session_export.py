import base64
import json
from pathlib import Path

import av
import pytest
from click.testing import CliRunner, Result
from samples.chunks import INFO, SESSION, chunk
from samples.desktops import desktop_chunks, recorded
from samples.operator import NodeInMemory, summary
from samples.terminal_session import chunks_of, terminal_events

from proxyd.cli import main
from proxyd.cli.invocation import Invocation
from recorder.events import (
    ChannelOpened,
    ClientData,
    EndReason,
    SessionEnded,
    SessionStarted,
    TargetData,
    TargetErrorData,
)
from recorder.session_info import TargetProtocol

RAW = bytes(range(256))


@pytest.fixture
def node() -> NodeInMemory:
    first = chunk(
        [
            SessionStarted(at_ms=0, info=INFO),
            ChannelOpened(at_ms=1, channel=0, kind="session"),
            ChannelOpened(at_ms=1, channel=1, kind="direct-tcpip", detail="db:5432"),
            ClientData(at_ms=2, channel=0, data=b"ls\r"),
            TargetData(at_ms=3, channel=0, data=RAW),
            TargetData(at_ms=4, channel=1, data=b"not a session"),
        ]
    )
    second = chunk([TargetErrorData(at_ms=5, channel=0, data=b"oh")], first)
    third = chunk([SessionEnded(at_ms=6, reason=EndReason.CLIENT_LEFT)], second)
    node = NodeInMemory()
    node.store(summary(), [first, second, third])
    return node


def export(node: NodeInMemory, *arguments: str) -> Result:
    invocation = Invocation(open_operator=node.open)
    return CliRunner().invoke(
        main, ["session", "export", str(SESSION), *arguments], obj=invocation
    )


def test_output_is_every_byte_of_the_session_channels_in_order(node: NodeInMemory) -> None:
    assert export(node, "--format", "output").stdout_bytes == RAW + b"oh"


def test_input_is_every_byte_that_was_typed(node: NodeInMemory) -> None:
    assert export(node, "--format", "input").stdout_bytes == b"ls\r"


def test_events_are_lines_of_json(node: NodeInMemory) -> None:
    lines = [
        json.loads(line) for line in export(node, "--format", "events").stdout.splitlines()
    ]
    assert lines[3] == {
        "at_ms": 2,
        "type": "client_data",
        "channel": 0,
        "data_base64": base64.b64encode(b"ls\r").decode(),
        "held_ms": 0,
    }


def test_a_file_is_replaced_as_a_whole_and_is_its_owners_alone(
    node: NodeInMemory, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.write_bytes(b"older")
    result = export(node, "--format", "output", "--out", str(out))
    assert (result.exit_code, out.read_bytes()) == (0, RAW + b"oh")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert out.stat().st_mode & 0o777 == 0o600


def test_a_hole_is_exported_up_to_with_a_warning(node: NodeInMemory) -> None:
    del node.chunks[SESSION][1]
    result = export(node, "--format", "output")
    assert (result.exit_code, result.stdout_bytes) == (0, RAW)
    assert "expected chunk 1, got 2" in result.stderr


def test_what_is_damaged_from_the_first_chunk_on_has_nothing_to_show(
    node: NodeInMemory,
) -> None:
    node.sessions[SESSION] = summary(chunks=3)
    del node.chunks[SESSION][0]
    result = export(node, "--format", "cast")
    assert result.exit_code == 6
    assert "its recording is not whole" in result.stderr


def test_a_lost_session_says_that_nothing_was_stored(node: NodeInMemory) -> None:
    node.sessions[SESSION] = summary(state="lost")
    node.chunks[SESSION].clear()
    result = export(node, "--format", "cast")
    assert result.exit_code == 3
    assert f"nothing of session {SESSION} was stored" in result.stderr


def test_a_live_session_is_exported_as_far_as_it_is_stored(node: NodeInMemory) -> None:
    node.sessions[SESSION] = summary(state="live")
    del node.chunks[SESSION][2]
    result = export(node, "--format", "output")
    assert (result.exit_code, result.stdout_bytes) == (0, RAW + b"oh")
    assert "still live" in result.stderr


def test_a_folder_that_is_not_there_is_named(node: NodeInMemory, tmp_path: Path) -> None:
    result = export(node, "--format", "output", "--out", str(tmp_path / "no" / "out"))
    assert result.exit_code == 1
    assert result.stderr == (
        f"proxyd: {tmp_path}/no/out cannot be written: No such file or directory; "
        "name another file with --out\n"
    )


def test_a_cast_plays_one_terminal_and_text_reads_all() -> None:
    node = NodeInMemory()
    node.store(summary(), chunks_of(terminal_events(b"$ ls\r\nfile\r\n")))
    header, typed, shown = export(node, "--format", "cast").stdout.splitlines()[:3]
    assert json.loads(header)["width"] == 80
    assert json.loads(typed) == [0.04, "i", "ls\r"]
    assert json.loads(shown) == [0.1, "o", "$ ls\r\nfile\r\n"]
    assert "0:00:00.100  file" in export(node, "--format", "text").stdout.splitlines()


def test_a_channel_that_was_not_opened_has_no_cast(node: NodeInMemory) -> None:
    result = export(node, "--format", "cast", "--channel", "9")
    assert result.exit_code == 3
    assert "opened no session channel 9" in result.stderr


def test_what_was_written_is_told_as_json_too(node: NodeInMemory, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    arguments = ["--output", "json", "session", "export", str(SESSION), "--format", "input"]
    result = CliRunner().invoke(
        main, [*arguments, "--out", out], obj=Invocation(open_operator=node.open)
    )
    assert json.loads(result.stdout) == {"session": str(SESSION), "out": out, "bytes": 3}


@pytest.fixture
def desktop() -> NodeInMemory:
    node = NodeInMemory()
    node.store(summary(protocol=TargetProtocol.RDP), desktop_chunks("plain", 60))
    return node


def test_a_desktop_becomes_a_video(desktop: NodeInMemory, tmp_path: Path) -> None:
    out = tmp_path / "session.mp4"
    assert export(desktop, "--format", "video", "--out", str(out)).exit_code == 0
    with av.open(str(out)) as film:
        assert film.streams.video[0].codec_context.name == "vp9"
        assert abs((film.duration or 0) / 1000 - 4011) < 1000


def test_what_was_typed_on_a_desktop_is_text(desktop: NodeInMemory) -> None:
    assert export(desktop, "--format", "input").stdout == "echo Hello-$((6*7))\nseq 60\n"
    text = export(desktop, "--format", "text").stdout
    assert "0:00:03.011  input: echo Hello-$((6*7))" in text.splitlines()
    assert "0:00:02.586  click: [Click 200,200]" in text.splitlines()


def test_a_desktop_is_exported_on_behind_a_hole(desktop: NodeInMemory, tmp_path: Path) -> None:
    del desktop.chunks[SESSION][2]
    text = export(desktop, "--format", "text")
    assert "exported without what is missing" in text.stderr
    assert "-- events are missing since 0:00:0" in text.stdout
    # What was typed before the gap is not joined with what came behind it.
    assert "input: ech[…]eq 60\n" in text.stdout
    assert export(desktop, "--format", "input").stdout == "ech[…]eq 60\n"
    out = tmp_path / "session.mp4"
    film = export(desktop, "--format", "video", "--out", str(out))
    assert (film.exit_code, "behind chunk 1: " in film.stderr) == (0, True)
    with av.open(str(out)) as container:
        assert abs((container.duration or 0) / 1000 - 4011) < 1000


def test_a_desktop_of_which_no_picture_was_recorded_has_no_video(tmp_path: Path) -> None:
    start, *_ = recorded("plain")
    node, out = NodeInMemory(), tmp_path / "film"
    end = SessionEnded(at_ms=500, reason=EndReason.CLIENT_LEFT)
    only = chunk([SessionStarted(at_ms=0, info=INFO), start, end])
    node.store(summary(protocol=TargetProtocol.RDP), [only])
    none = export(node, "--format", "video", "--out", str(out))
    assert (none.exit_code, out.exists()) == (3, False)
    assert "has no picture recorded" in none.stderr


def test_a_terminal_has_no_video_and_a_desktop_no_cast(
    node: NodeInMemory, desktop: NodeInMemory, tmp_path: Path
) -> None:
    out = tmp_path / "film"
    none = export(node, "--format", "video", "--out", str(out))
    assert (none.exit_code, out.exists()) == (3, False)
    assert "showed no desktop" in none.stderr
    none = export(desktop, "--format", "cast", "--out", str(out))
    assert (none.exit_code, out.exists()) == (3, False)
    assert "--format video" in none.stderr
