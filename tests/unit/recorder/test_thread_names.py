import threading
from pathlib import Path

from recorder.thread_names import show_thread_name


def test_the_kernel_learns_the_name_of_a_thread():
    seen: list[str] = []

    def run() -> None:
        show_thread_name()
        seen.append(Path("/proc/thread-self/comm").read_text().strip())

    thread = threading.Thread(target=run, name="recorder-disk-and-more")
    thread.start()
    thread.join()
    assert seen == ["recorder-disk-a"]
