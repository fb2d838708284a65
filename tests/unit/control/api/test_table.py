from typing import get_args

from control.api.table import CALLS
from control.bus_requests import DeadLetterRequest
from control.live_requests import FollowSession, WatchDesktop
from control.proof_requests import SignBundle
from control.requests import FetchChunks, OperatorRequest
from control.rights import Right

ELSEWHERE = {FetchChunks, FollowSession, SignBundle, WatchDesktop}
"""What a recording is made of: it is played, watched and exported, not handed out raw."""


def test_everything_that_the_command_line_asks_is_there():
    missing = set(get_args(OperatorRequest)) - {call.request for call in CALLS}
    assert missing == ELSEWHERE
    assert get_args(DeadLetterRequest)


def test_nothing_that_changes_something_is_a_get():
    reading = {"List", "Show", "Ask", "Fetch", "Search", "Check"}
    for call in CALLS:
        reads = any(call.request.__name__.startswith(word) for word in reading)
        assert (call.method == "GET") == reads, call


def test_whoever_only_looks_may_change_nothing():
    for call in CALLS:
        if call.right in {Right.SEE_SETUP, Right.SEE_SESSIONS, Right.SEE_STATUS}:
            assert call.method == "GET", call


def test_a_call_of_one_s_own_says_whose_it_is():
    for call in CALLS:
        assert call.path.startswith("/me/") == bool(call.own), call
        assert not call.own or call.own in call.request.__struct_fields__
        assert not call.login or call.login in call.request.__struct_fields__
