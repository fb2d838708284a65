"""Exports for the page: those of the command line, asked for by whoever is logged in."""

from collections.abc import Iterator
from uuid import UUID

from control.errors import ControlError
from control.offline import InProcess
from control.ports import CarriesOut
from control.web.recordings import Export
from proxyd.cli.errors import CommandFailedError
from proxyd.cli.session_export import FORMATS
from proxyd.cli.stored import find


def exporter(operations: CarriesOut) -> Export:
    """Return what writes exports; what it yields raises `ControlError`."""

    def export(
        session_id: UUID, format_: str, channel: int | None, who: str
    ) -> Iterator[bytes]:
        session = find(InProcess(operations, who), str(session_id))
        try:
            yield from FORMATS[format_](session, session.recording(), channel)
        except CommandFailedError as error:
            raise ControlError(error.message) from error

    return export
