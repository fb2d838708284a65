import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from samples.chunks import three_chunks

from recorder.replay.comprehend import Comprehension, comprehend
from storage.child import Child
from storage.errors import ChildLostError, ChildUnavailableError


def awkward(
    state: bytes | None, encoded: bytes, data_key: bytes, *, with_screens: bool
) -> Comprehension:
    match encoded:
        case b"die":
            os._exit(3)
        case b"hang":
            time.sleep(60)
        case b"swell":
            bytearray(4 * 1024**3)
        case b"raise":
            raise LookupError("what is this")
    return Comprehension(state=b"%d" % os.getpid(), lines=[])


@pytest.fixture
def child() -> Iterator[Child]:
    child = Child(awkward, time_limit_s=0.5)
    yield child
    child.stop()


def pid(child: Child) -> int:
    return int(child.comprehend(None, b"fine").state)


def test_another_process_does_the_work(child: Child):
    assert not child.is_running
    first = pid(child)
    assert first != os.getpid()
    assert pid(child) == first
    assert child.is_running


def test_it_answers_as_the_function_would():
    first, second, _ = three_chunks()
    child = Child()
    try:
        state = child.comprehend(None, first.encoded, first.data_key).state
        before = comprehend(None, first.encoded, first.data_key).state
        expected = comprehend(before, second.encoded, second.data_key)
        assert child.comprehend(state, second.encoded, second.data_key) == expected
    finally:
        child.stop()


def test_where_memory_runs_out_it_goes_before_the_daemon(child: Child):
    assert Path(f"/proc/{pid(child)}/oom_score_adj").read_text() == "500\n"


@pytest.mark.parametrize("trouble", [b"die", b"hang"])
def test_a_lost_child_is_replaced(child: Child, trouble: bytes):
    first = pid(child)
    with pytest.raises(ChildLostError):
        child.comprehend(None, trouble)
    assert not child.is_running
    assert pid(child) != first


@pytest.mark.parametrize(
    ("trouble", "says"), [(b"swell", "MemoryError"), (b"raise", "LookupError: what is this")]
)
def test_a_child_that_cannot_says_why_and_goes_on(child: Child, trouble: bytes, says: str):
    first = pid(child)
    with pytest.raises(ChildLostError, match=says):
        child.comprehend(None, trouble)
    assert pid(child) == first


def test_stopping_twice_is_harmless(child: Child):
    pid(child)
    child.stop()
    child.stop()
    assert not child.is_running


def test_a_child_whose_program_is_missing_is_unavailable_and_starts_once_it_is_back(
    child: Child,
):
    pid(child)
    child.stop()
    spawning = multiprocessing.get_context("spawn")
    spawning.set_executable("/nowhere/python")
    try:
        with pytest.raises(ChildUnavailableError, match="died before it was ready"):
            child.comprehend(None, b"fine")
    finally:
        spawning.set_executable(sys.executable)
    assert not child.is_running
    assert pid(child)


def test_a_child_that_the_kernel_refuses_to_start_is_unavailable(child: Child):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(ChildUnavailableError, match="Too many open files"):
            child.comprehend(None, b"fine")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert pid(child)
