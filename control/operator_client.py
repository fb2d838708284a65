"""The command line's way to a node: over its socket, or, where none runs, in this process."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from config.model import Settings
from control.answers import Result, whole_answer
from control.errors import DeniedError, UnreachableError
from control.requests import OperatorRequest
from control.state_lock import StateDirHeldError, hold, socket_address
from control.wire import (
    MAX_RESULT_BYTES,
    decode_answer,
    encode_request,
    framed,
    receive_body,
)

_PATIENCE_S = 5.0
"""How long to wait for a node that starts, or for another command line to finish."""
_RETRY_S = 0.05
_CONNECT_LIMIT_S = 5.0


class Operator(Protocol):
    """Carries out requests; raises the errors of `control.errors`."""

    def call(self, request: OperatorRequest) -> Result | list[Result]:
        """Return the result: a list for the requests in `ManyRequest`."""
        ...

    def stream(self, request: OperatorRequest) -> Iterator[Result]:
        """Yield the results as they come."""
        ...


class RunningNode:
    """A node that answers on its socket; each request is a connection of its own."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir

    def answers(self) -> bool:
        """Say whether a node listens; raise `DeniedError` where we may not ask it."""
        try:
            self._connect().close()
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    def call(self, request: OperatorRequest) -> Result | list[Result]:
        """Return the result: a list for the requests in `ManyRequest`."""
        return whole_answer(request, self.stream(request))

    def stream(self, request: OperatorRequest) -> Iterator[Result]:
        """Yield the results as they come."""
        body = encode_request(request)
        try:
            with self._connect() as connection:
                connection.sendall(framed(body))
                while (result := _next_result(connection)) is not None:
                    yield result
        except OSError as error:
            raise UnreachableError(
                f"proxyd stopped answering on its socket: {error.strerror or error}; "
                "see its log, and try again"
            ) from error

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(_CONNECT_LIMIT_S)
            with socket_address(self._state_dir) as address:
                connection.connect(address)
            # From here on the node decides how long it takes: a search, a live session.
            connection.settimeout(None)
        except PermissionError as error:
            connection.close()
            raise DeniedError(
                f"{self._state_dir} belongs to the user that proxyd runs as: use sudo"
            ) from error
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def connect(settings: Settings, patience_s: float = _PATIENCE_S) -> Iterator[Operator]:
    """Yield the way to the node of these settings.

    Raises `DeniedError`, `ConfigError`, and `StateDirHeldError` where a process holds the
    state directory and does not answer for `patience_s`.
    """
    node = RunningNode(settings.state_dir)
    deadline = time.monotonic() + patience_s
    with ExitStack() as stack:
        while not _exists_and_answers(node, settings.state_dir):
            try:
                stack.enter_context(hold(settings.state_dir))
            except StateDirHeldError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_S)
            else:
                # What opens databases takes half a second to import.
                from control.offline import InProcess  # noqa: PLC0415

                yield stack.enter_context(InProcess.opened(settings))
                return
        yield node


def _exists_and_answers(node: RunningNode, state_dir: Path) -> bool:
    return state_dir.is_dir() and node.answers()


def _next_result(connection: socket.socket) -> Result | None:
    return decode_answer(receive_body(connection, MAX_RESULT_BYTES))
