"""Whether the proxy goes where a target sends its client. Sans-io."""

from typing import Final

MOST: Final = 5
"""Brokers send a client on once or twice; two hosts could send it to and fro for ever."""
_ELSEWHERE: Final = "it sends the client elsewhere"


def refusal(*, allowed: bool, activated: bool, number: int) -> str:
    """Return why a session's redirection of this number is not followed, for the operator.

    Empty where it is. Once the client is activated no other target can go on with what it
    was told by this one.
    """
    if activated:
        return f"{_ELSEWHERE} out of a session that was on the screen already; log in again"
    if not allowed:
        return f"{_ELSEWHERE}; add `redirection` to the secret's --channels"
    if number > MOST:
        return f"{_ELSEWHERE} more than {MOST} times; ask who runs the farm"
    return ""
