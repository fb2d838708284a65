"""CPU seconds of a process and of everything that it ever started.

A control group counts exactly, whoever waited for whom; sshd's own children are not always
waited for. Where no group can be made, `/proc` must do: then what an orphan used is missing.
"""

from contextlib import suppress
from pathlib import Path
from typing import Final

from peers.needed import cpu_s

_V1: Final = Path("/sys/fs/cgroup/cpuacct")
_V2: Final = Path("/sys/fs/cgroup")


class Meter:
    """Counts one process tree from now on."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._group = _join_group(pid)

    def read_s(self) -> float:
        """Return CPU seconds so far."""
        if self._group is None:
            return cpu_s(self._pid)
        usage = self._group / "cpuacct.usage"
        if usage.exists():
            return int(usage.read_text()) / 1e9
        lines = (self._group / "cpu.stat").read_text().splitlines()
        return int(dict(line.split() for line in lines)["usage_usec"]) / 1e6

    def engine_s(self) -> float:
        """Return CPU seconds of the threads of proxyd's engine so far.

        They are the first thread, which relays, and the `recorder-*` ones, which sync, pack
        and seal. Control, storage and index have threads and a process of their own.
        """
        threads = Path(f"/proc/{self._pid}/task")
        nanoseconds = 0
        for thread in threads.iterdir():
            with suppress(OSError):
                engine = (thread / "comm").read_text().startswith("recorder")
                if engine or thread.name == str(self._pid):
                    nanoseconds += int((thread / "schedstat").read_text().split()[0])
        return nanoseconds / 1e9

    def close(self) -> None:
        """Remove the group, if its processes have ended."""
        if self._group is not None:
            with suppress(OSError):
                self._group.rmdir()


def _join_group(pid: int) -> Path | None:
    parent = _V1 if _V1.is_dir() else _V2
    group = parent / f"proxyd-bench-{pid}"
    try:
        group.mkdir()
        (group / "cgroup.procs").write_text(str(pid))
    except OSError:
        return None
    return group
