"""Whatever a client sends, however it is cut, no file that a rule is against gets there."""

import contextlib
import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from bus.file_rules import Direction, FileRule, FileVerdict
from protocols.errors import RemoteProtocolError
from protocols.ssh.files import SCPCommand
from protocols.ssh.transfers.rules import FileRules
from protocols.ssh.transfers.scp_gate import SCPGate
from protocols.ssh.transfers.sftp_gate import SFTPGate

RULES = FileRules(
    [
        FileRule(
            name="it",
            verdict=FileVerdict.REFUSE,
            directions=(Direction.UPLOAD,),
            glob="/**/shut/**",
        )
    ]
)
NAMES = ["open", "shut", "..", "d"]


def string(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from([1, 3, 4, 5, 6, 9, 13, 14, 15, 18, 20, 21, 200]))
    name = "/" + "/".join(draw(st.lists(st.sampled_from(NAMES), max_size=3)))
    fields = string(name.encode()) + struct.pack(">II", draw(st.integers(0, 31)), 0)
    body = bytes([kind]) + struct.pack(">I", draw(st.integers(0, 3))) + fields
    return string(body + draw(st.binary(max_size=3)))


def cut(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    ends = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    return [
        stream[start:end] for start, end in zip([0, *ends], [*ends, len(stream)], strict=True)
    ]


def opened_to_write(stream: bytes) -> list[str]:
    """What a server reads: the paths that it opens for writing, without `..`."""
    paths = []
    while len(stream) >= 5:
        size = int.from_bytes(stream[:4], "big")
        message, stream = stream[4 : 4 + size], stream[4 + size :]
        if message[0] == 3 and len(message) == size:
            end = 9 + int.from_bytes(message[5:9], "big")
            if int.from_bytes(message[end : end + 4], "big") & 0x1E:
                paths.append(message[9:end].decode())
    return paths


def leads_to(path: str) -> list[str]:
    names: list[str] = []
    for name in filter(None, path.split("/")):
        names = names[:-1] if name == ".." else [*names, name]
    return names


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_no_file_that_is_shut_is_opened_by_sftp(data: st.DataObject):
    stream = b"".join(data.draw(st.lists(requests(), max_size=8)))
    gate, sent = SFTPGate(RULES), b""
    with contextlib.suppress(RemoteProtocolError):
        for piece in data.draw(st.composite(cut)(stream)):
            gate.typed(0, piece)
            sent += gate.take()
    assert len(sent) <= len(stream)
    assert [path for path in opened_to_write(sent) if "shut" in leads_to(path)] == []


class Sink:
    """What scp does on a target: reads lines and contents, and agrees or does not."""

    def __init__(self, agrees: list[bool]) -> None:
        self._agrees, self._input = agrees, b""
        self._contents_bytes, self._state = 0, "line"
        self._folders: list[str] = []
        self.opened: list[list[str]] = []

    def feed(self, data: bytes) -> bytes:
        """Take some; return the answers."""
        self._input += data
        answers = b""
        while self._input:
            if self._state == "contents":
                taken = self._input[: self._contents_bytes]
                self._contents_bytes -= len(taken)
                self._input = self._input[len(taken) :]
                self._state = "contents" if self._contents_bytes else "status"
            elif self._state == "status":
                status, self._input = self._input[:1], self._input[1:]
                self._state = "line" if status == b"\0" else "words"
                answers += b"\0" if status == b"\0" else b""
            elif b"\n" not in self._input:
                break
            else:
                line, _, self._input = self._input.partition(b"\n")
                answers += self._line(line)
        return answers

    def _line(self, line: bytes) -> bytes:
        if self._state == "words":
            self._state = "line"
            return b"\0"
        if line[:1] in b"\x01\x02":
            return b""
        if line == b"E":
            self._folders = self._folders[:-1]
            return b"\0"
        if line[:1] not in {b"C", b"D"}:
            return b"\0"
        if not (self._agrees and self._agrees.pop(0)):
            return b"\x01scp: no\n"
        _, size, name = line.decode().split(" ", 2)
        place = [*self._folders, name]
        if line[:1] == b"D":
            self._folders = place
        else:
            self.opened.append(leads_to("/".join(place)))
            self._contents_bytes = int(size)
            self._state = "contents" if self._contents_bytes else "status"
        return b"\0"


WORDS = st.sampled_from(
    [
        *(b"C0644 3 open\n", b"C0644 3 shut\n", b"C0644 0 shut\n", b"C0644 16 open\n"),
        *(b"D0755 0 d\n", b"D0755 0 shut\n", b"E\n", b"T1 0 1 0\n"),
        *(b"abc", b"\0", b"\x01words\n", b"\n"),
    ]
)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_no_file_that_is_shut_is_opened_by_scp(data: st.DataObject):
    stream = b"".join(data.draw(st.lists(WORDS, max_size=14)))
    sink = Sink(data.draw(st.lists(st.booleans(), max_size=8)))
    gate = SCPGate(RULES, SCPCommand(sends=False, folder=True, path="/srv"))
    with contextlib.suppress(RemoteProtocolError):
        gate.shown(0, b"\0")
        for piece in data.draw(st.composite(cut)(stream)):
            gate.typed(0, piece)
            while sent := gate.take():
                gate.shown(0, sink.feed(sent))
            gate.take_answer()
    assert [place for place in sink.opened if "shut" in place] == []
