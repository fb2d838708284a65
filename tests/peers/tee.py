"""Stands where ssh stands: runs a target's command and notes both directions in order.

`tee.py LOG COMMAND…` runs the command. As scp's `-S` program its last argument is what ssh
would have asked the target for, and the LOG comes from the environment.
"""

import os
import selectors
import struct
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO, Final

RECORD: Final = struct.Struct(">BI")
CLIENT, TARGET = 0, 1


def run(log: BinaryIO, command: list[str]) -> int:
    """Copy until the command ends. What is copied is noted before it goes on."""
    program = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    assert program.stdin is not None
    assert program.stdout is not None
    selector = selectors.DefaultSelector()
    selector.register(
        sys.stdin.fileno(), selectors.EVENT_READ, (CLIENT, program.stdin.fileno())
    )
    selector.register(
        program.stdout.fileno(), selectors.EVENT_READ, (TARGET, sys.stdout.fileno())
    )
    while True:
        for key, _ in selector.select():
            side, destination = key.data
            data = os.read(key.fd, 32768)
            log.write(RECORD.pack(side, len(data)) + data)
            if not data:
                selector.unregister(key.fd)
                if side == TARGET:
                    return program.wait()
                program.stdin.close()
            while data:
                data = data[os.write(destination, data) :]


def read(path: Path) -> list[tuple[int, bytes]]:
    """Return what was noted, in order: the side and the bytes."""
    raw, offset, turns = path.read_bytes(), 0, []
    while offset < len(raw):
        side, size = RECORD.unpack_from(raw, offset)
        offset += RECORD.size
        turns.append((side, raw[offset : offset + size]))
        offset += size
    return turns


def main() -> int:
    arguments = sys.argv[2:]
    if "-x" in arguments:  # What scp hands to its ssh.
        wanted = arguments[-1]
        arguments = (
            ["/usr/lib/openssh/sftp-server"] if wanted == "sftp" else ["sh", "-c", wanted]
        )
    with Path(sys.argv[1]).open("wb") as log:
        return run(log, arguments)


if __name__ == "__main__":
    sys.exit(main())
