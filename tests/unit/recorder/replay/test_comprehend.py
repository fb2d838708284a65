import pytest
from samples.chunks import chunk
from samples.terminal_recordings import (
    NAMES,
    as_chunks,
    as_events,
    shell_opening,
    terminal_recording,
    understood,
)

from recorder.errors import CorruptChunkError
from recorder.events import (
    ChannelOpened,
    ChannelRequested,
    ClientData,
    EndReason,
    FileTouched,
    InputMasked,
    KnownEvent,
    SessionEnded,
    TargetData,
    TargetErrorData,
    TerminalResized,
)
from recorder.replay import comprehend as module
from recorder.replay.comprehend import Line, comprehend, screens, without_screens


def target(at_ms: int, data: bytes) -> TargetData:
    return TargetData(at_ms=at_ms, channel=0, data=data)


def client(at_ms: int, data: bytes, held_ms: int = 0) -> ClientData:
    return ClientData(at_ms=at_ms, channel=0, data=data, held_ms=held_ms)


def lines_of(events: list[KnownEvent]) -> list[Line]:
    return understood([chunk([*events, SessionEnded(at_ms=10**6, reason=EndReason.IDLE)])])


def of_kind(lines: list[Line], kind: str) -> list[tuple[int, str]]:
    return [(line.at_ms, line.text) for line in lines if line.kind == kind]


def shell(*events: KnownEvent) -> list[Line]:
    return lines_of([*shell_opening(), *events])


def without_terminal(request: str, detail: bytes, *events: KnownEvent) -> list[Line]:
    opening: list[KnownEvent] = [
        ChannelOpened(at_ms=0, channel=0, kind="session"),
        ChannelRequested(at_ms=1, channel=0, request=request, detail=detail),
    ]
    return lines_of([*opening, *events])


def test_what_ran_is_what_the_shell_made_of_the_keys():
    lines = understood(as_chunks(as_events(terminal_recording("bash")), 10**6))
    assert [text for _, text in of_kind(lines, "command")] == [
        "ls -l",
        "ls -l",
        "cat notes.txt",
        "seq 1 60",
        "echo Hello-Proxyd 42",
        "seq 1 60",
        "echo " + "long-word " * 12 + "end",
        "printf '\\e]0;my title\\a\\e[31mred\\e[0m\\n'",
        "echo grüße \u276f 日本",
        "read answer",
        "exit",
    ]


def test_what_was_typed_is_kept_as_typed():
    lines = understood(as_chunks(as_events(terminal_recording("bash")), 10**6))
    typed = [text for _, text in of_kind(lines, "input")]
    assert "echo Hello-Proxyd 42" in typed
    assert "cat no" in typed
    assert "not-a-command" in typed


def test_a_hit_is_exact_to_the_burst():
    script = terminal_recording("bash")
    lines = understood(as_chunks(as_events(script), 10**6))
    shown = [
        at_ms
        for at_ms, direction, text in script.bursts
        if direction == "o" and text.startswith("Hello-Proxyd 42")
    ]
    assert [at for at, text in of_kind(lines, "output") if text == "Hello-Proxyd 42"] == shown
    assert [text for _, text in of_kind(lines, "title")] == ["my title"]


def test_full_screen_programs_are_read_as_people_saw_them():
    vim = understood(as_chunks(as_events(terminal_recording("vim")), 10**6))
    assert "written in vim" in [text for _, text in of_kind(vim, "output")]
    tmux = understood(as_chunks(as_events(terminal_recording("tmux")), 10**6))
    assert any("right-pane" in text for _, text in of_kind(tmux, "output"))
    assert any("written in vim" in text for _, text in of_kind(vim, "input"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [1, 7, 50])
def test_where_a_session_is_cut_changes_nothing_that_can_be_found(name: str, size: int):
    events = as_events(terminal_recording(name))
    whole = understood(as_chunks(events, 10**6))
    cut = understood(as_chunks(events, size))
    for kind in ("command", "input", "title"):
        assert of_kind(cut, kind) == of_kind(whole, kind)
    # A chunk tells what its screens show, so half-drawn rows are told besides.
    assert {line.text for line in whole} <= {line.text for line in cut}


def test_keys_recorded_after_their_echo_are_put_before_it():
    lines = shell(
        target(10, b"$ "),
        target(20, b"ls\r\nfile\r\n$ "),
        client(25, b"ls\r", held_ms=6),
    )
    assert of_kind(lines, "input") == [(19, "ls")]
    assert of_kind(lines, "command") == [(19, "ls")]


def test_keys_typed_ahead_of_the_terminal_are_keys():
    lines = shell(
        target(3, b"whoami\r\n"),
        client(3, b"whoami\r", held_ms=5),
        target(9, b"$ whoami\r\nana\r\n"),
    )
    assert of_kind(lines, "command") == [(0, "whoami")]
    assert of_kind(lines, "input") == [(0, "whoami")]


def test_masked_input_leaves_no_line():
    lines = shell(
        target(10, b"Password: "),
        target(20, b"\r\nwelcome\r\n$ "),
        client(30, b"l"),
        InputMasked(at_ms=35, channel=0),
        target(36, b"ls\r\n"),
        client(37, b"s\r", held_ms=2),
    )
    assert of_kind(lines, "input") == [(35, "ls")]
    assert of_kind(lines, "command") == [(35, "ls")]


def test_a_shell_with_marks_is_believed():
    lines = shell(
        target(10, b"\x1b]633;A\x07> \x1b]633;B\x07"),
        client(20, b"l\r"),
        target(30, b"l\r\n\x1b]633;E;ls -l\\x3b id;nonce\x07\x1b]633;C\x07out\r\n"),
    )
    assert of_kind(lines, "command") == [(20, "l"), (30, "ls -l; id")]


def test_an_exec_command_and_its_output_are_found():
    lines = without_terminal(
        "exec",
        b"grep -c x log",
        target(5, b"\x1b[1mtwel"),
        target(6, b"ve\x1b[0m\nrest"),
        TargetErrorData(at_ms=7, channel=0, data=b"warning: x\n"),
    )
    assert of_kind(lines, "command") == [(1, "grep -c x log")]
    assert of_kind(lines, "output") == [(6, "twelve"), (7, "warning: x"), (10**6, "rest")]


def test_what_acts_on_a_terminal_is_not_in_a_line():
    lines = without_terminal("exec", b"echo \x1b]0;owned\x07 \xe2\x80\xaegpj.exe")
    assert of_kind(lines, "command") == [(1, "echo  ]0;owned   gpj.exe")]


def test_of_binary_output_words_alone_are_indexed():
    noise = bytes(byte for number in range(256) for byte in (number, 0xFE, 0x01))
    lines = without_terminal("exec", b"tar", target(5, noise))
    assert of_kind(lines, "output") == []
    lines = without_terminal("exec", b"tar", target(5, noise + b"secrets.txt" + noise))
    assert of_kind(lines, "output") == [(5, "secrets.txt")]


def test_nothing_hides_behind_a_few_control_bytes():
    lines = without_terminal("exec", b"cat", target(5, b"begun "), target(6, b"gone\n\0\1bin"))
    assert of_kind(lines, "output") == [(6, "begun gone")]
    hidden = target(5, b"\0" + "überwiesen".encode() + b"\0" * 9 + b"payroll\n")
    lines = without_terminal("exec", b"cat", hidden)
    assert of_kind(lines, "output") == [(5, "überwiesen payroll")]


def test_a_line_without_an_end_is_indexed_from_its_beginning():
    lines = without_terminal("exec", b"cat", target(5, b"first " + b"." * 3000 + b" last"))
    found = " ".join(text for _, text in of_kind(lines, "output"))
    assert found.startswith("first ")
    assert found.endswith(" last")


def test_sftp_packets_are_not_indexed_but_its_files_are():
    touched = FileTouched(at_ms=9, channel=0, operation="download", path="/srv/a.txt")
    lines = without_terminal("subsystem", b"sftp", target(5, b"plain words\n"), touched)
    assert of_kind(lines, "output") == []
    assert of_kind(lines, "command") == [(1, "subsystem sftp")]
    assert of_kind(lines, "file") == [(9, "download /srv/a.txt")]


def test_a_file_that_did_not_cross_is_not_found_as_one_that_did():
    path = "\\\\tsclient\\c\\a.txt"
    touched = FileTouched(
        at_ms=9, channel=0, operation="upload", path=path, outcome="not allowed"
    )
    lines = without_terminal("subsystem", b"sftp", touched)
    assert of_kind(lines, "file") == [(9, f"upload {path} (not allowed)")]


def test_a_forward_is_not_indexed():
    opened = ChannelOpened(at_ms=1, channel=3, kind="direct-tcpip", detail="db:5432")
    data = TargetData(at_ms=2, channel=3, data=b"HTTP/1.1 200 OK\r\n")
    assert lines_of([opened, data]) == []


def test_long_output_without_a_terminal_ends_in_a_remark():
    bursts = [target(5, (b"word %d\n" % number) * 5000) for number in range(120)]
    lines = without_terminal("exec", b"cat", *bursts)
    assert "rest is only in the recording" in of_kind(lines, "output")[-1][1]


def test_a_redraw_is_told_once_and_a_later_showing_again():
    lines = shell(
        target(10, b"\x1b[2J\x1b[Hstatus: fine\r\n"),
        target(20, b"\x1b[2J\x1b[Hother\r\n"),
        target(30, b"\x1b[2J\x1b[Hstatus: fine\r\n"),
        target(40, b"\x1b[2J\x1b[Hother\r\n"),
        target(50_000, b"\x1b[2J\x1b[Hstatus: fine\r\n"),
    )
    assert of_kind(lines, "output") == [
        (10, "status: fine"),
        (20, "other"),
        (50_000, "status: fine"),
    ]


def test_a_session_has_a_limit_of_lines_and_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_LINES", 10)
    lines = shell(target(1, b"".join(b"line %d\r\n" % number for number in range(99))))
    output = of_kind(lines, "output")
    assert len(output) == 11
    assert "the rest is only in the recording" in output[-1][1]


def test_a_keyframe_holds_the_screens():
    first = chunk([*shell_opening(), target(5, b"hello")])
    state = comprehend(None, first.encoded, first.data_key).state
    (screen,) = screens(state)
    assert (screen.columns, screen.rows) == (80, 24)
    assert screen.dump.startswith("hello")
    (empty,) = screens(without_screens(state))
    assert "hello" not in empty.dump


def test_without_screens_what_was_sent_stands_for_what_was_shown():
    first = chunk([*shell_opening(), target(5, b"$ ")])
    state = comprehend(None, first.encoded, first.data_key).state
    second = chunk([client(6, b"ls\r"), target(7, b"ls\r\n\x1b[1mfile\x1b[0m\r\n")], first)
    blind = comprehend(state, second.encoded, second.data_key, with_screens=False)
    assert of_kind(blind.lines, "input") == [(6, "ls")]
    assert of_kind(blind.lines, "output") == [(7, "ls"), (7, "file")]
    (screen,) = screens(blind.state)
    assert (screen.columns, "file" in screen.dump) == (80, False)


def test_a_resize_is_followed():
    first = chunk([*shell_opening(), TerminalResized(at_ms=5, channel=0, columns=132, rows=50)])
    (screen,) = screens(comprehend(None, first.encoded, first.data_key).state)
    assert (screen.columns, screen.rows) == (132, 50)


def test_a_state_of_another_version_is_not_believed():
    first = chunk(shell_opening())
    afresh = comprehend(None, first.encoded, first.data_key)
    assert comprehend(b"\x91\x63", first.encoded, first.data_key) == afresh
    assert comprehend(b"noise", first.encoded, first.data_key) == afresh


def test_a_damaged_chunk_is_refused():
    with pytest.raises(CorruptChunkError):
        comprehend(None, b"noise")
