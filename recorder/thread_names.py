"""Threads that say who they are to `top -H` and to whoever counts their CPU seconds."""

import threading
from pathlib import Path

_SHOWN_BYTES = 15
"""The kernel keeps no more of a thread's name."""


def show_thread_name() -> None:
    """Give the running thread's Python name to the kernel; harmless where that is not Linux."""
    comm = Path("/proc/thread-self/comm")
    try:
        comm.write_text(threading.current_thread().name[:_SHOWN_BYTES], encoding="ascii")
    except OSError:
        return
