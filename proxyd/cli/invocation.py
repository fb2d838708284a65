"""What one call of the command line was given, and whom it asks."""

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from config.model import Settings
from control.requests import OperatorRequest
from proxyd.cli.output import OutputFormat

if TYPE_CHECKING:  # `--help` needs none of it.
    from bus.identity import Introduction
    from proxyd.enrolment import Requests

DEFAULT_CONFIG = Path("/etc/proxyd/proxyd.toml")


class Operator(Protocol):
    """Carries out what an operator asks: through a running node, or in this process.

    Raises the errors of `control.errors`.
    """

    def call(self, request: OperatorRequest) -> Any:  # noqa: ANN401 - the request decides
        """Return the one result."""
        ...

    def stream(self, request: OperatorRequest) -> Iterator[Any]:
        """Yield the results of a `ManyRequest` as they come."""
        ...


OpenOperator = Callable[[Settings], AbstractContextManager[Operator]]


OpenRequests = Callable[[Settings, "Introduction"], AbstractAsyncContextManager["Requests"]]


def _open_requests(
    settings: Settings, introduction: "Introduction"
) -> AbstractAsyncContextManager["Requests"]:
    from proxyd.engine_side import requests  # noqa: PLC0415 - `--help` needs none of it

    return requests(settings, introduction)


def _open_operator(settings: Settings) -> AbstractContextManager[Operator]:
    from control.operator_client import connect  # noqa: PLC0415 - `--help` needs none of it

    return connect(settings)


@dataclass
class Invocation:
    """One call of the command line."""

    config_path: Path | None = None
    """None: `DEFAULT_CONFIG`, where that file is there."""
    output: OutputFormat = OutputFormat.TABLE
    open_operator: OpenOperator = _open_operator
    open_requests: OpenRequests = _open_requests
    """Opens an engine's way to control."""

    def settings(self) -> Settings:
        """Read the settings; raise `ConfigError` where they cannot be used."""
        from config.load import load  # noqa: PLC0415 - `--help` needs none of it

        if self.config_path is None and not DEFAULT_CONFIG.exists():
            return load(None)
        return load(self.config_path or DEFAULT_CONFIG)

    def operator(self) -> AbstractContextManager[Operator]:
        """Open the way to whoever carries out requests."""
        return self.open_operator(self.settings())


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)
"""Hands a command the `Invocation` as its first argument."""
