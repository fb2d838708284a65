"""The command line's way to a node: over its socket, or, where none runs, in this process."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from config.model import Settings
from control.answers import ManyRequest, Result
from control.audit import operator_name
from control.errors import DeniedError, UnreachableError
from control.live import NoLiveSessions
from control.offline import open_operations
from control.operations import Operations
from control.operator_socket import reachable
from control.requests import FollowSession, OperatorRequest
from control.state_dir import StateDirHeldError, hold
from control.wire import (
    MAX_RESULT_BYTES,
    decode_answer,
    decode_request,
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


class _Operator:
    def stream(self, request: OperatorRequest) -> Iterator[Result]:
        raise NotImplementedError

    def call(self, request: OperatorRequest) -> Result | list[Result]:
        results = list(self.stream(request))
        return results if isinstance(request, ManyRequest) else results[0]


class RunningNode(_Operator):
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
            with reachable(self._state_dir) as address:
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


class InProcess(_Operator):
    """Carries requests out here, while this process holds the state directory."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._who = operator_name(os.geteuid())

    def stream(self, request: OperatorRequest) -> Iterator[Result]:
        """Yield the results as they come."""
        if isinstance(request, FollowSession):
            raise UnreachableError("no proxyd is running here, so no session is live")
        # Through the codec, which checks what was given, as a node would.
        yield from self._operations.carry_out(
            decode_request(encode_request(request)), self._who
        )


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
                yield InProcess(
                    stack.enter_context(open_operations(settings, NoLiveSessions()))
                )
                return
        yield node


def _exists_and_answers(node: RunningNode, state_dir: Path) -> bool:
    return state_dir.is_dir() and node.answers()


def _next_result(connection: socket.socket) -> Result | None:
    return decode_answer(receive_body(connection, MAX_RESULT_BYTES))
