"""Settings of printers that a target has its client keep: which pass, and what is recorded.

A client keeps them when the session is over, and hands them to other targets. So they are
about printers that this target was lent, and nothing else.
"""

import hashlib
from collections.abc import Collection
from types import MappingProxyType
from typing import Final

from protocols.rdp.device_files import CHANNEL
from protocols.rdp.wire.devices import Device, DeviceKind
from protocols.rdp.wire.printers import Event, Settings
from recorder.events import FileTouched

MAX_BYTES: Final = 256 * 1024
"""Those of a driver take some tens of KiB."""
_MAX_NAMES: Final = 256
_OPERATIONS: Final = MappingProxyType[int, str](
    {
        Event.ADD: "setstat",
        Event.UPDATE: "setstat",
        Event.DELETE: "remove",
        Event.RENAME: "rename",
    }
)


class PrinterSettings:
    """Judges those of one session."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        """What the target calls printers besides their own names."""

    def forget(self) -> None:
        """Begin anew."""
        self._names.clear()

    def refusal(self, settings: Settings, devices: Collection[Device]) -> str:
        """Return why they do not pass, where the client lends `devices`; else nothing."""
        printers = [device for device in devices if device.kind == DeviceKind.PRINTER]
        if settings.event == Event.ADD:
            is_lent = settings.port in {device.port for device in printers}
        else:
            is_lent = settings.printer in {device.name for device in printers} | self._names
        if not is_lent:
            return f"settings of {settings.printer}, a printer that is not there"
        if len(settings.data) > MAX_BYTES:
            return f"settings of {settings.printer} that are larger than any driver's"
        return "" if self._knows(settings) else "more names of printers than are followed"

    def _knows(self, settings: Settings) -> bool:
        """Take a printer's name; say whether there was room for it."""
        name = settings.printer if settings.event == Event.ADD else settings.new_name
        if name and len(self._names) < _MAX_NAMES:
            self._names.add(name)
        return not name or name in self._names

    @staticmethod
    def told(settings: Settings, at_ms: int) -> FileTouched:
        """Return what is recorded of those that pass."""
        data = settings.data
        return FileTouched(
            at_ms=at_ms,
            channel=CHANNEL,
            operation=_OPERATIONS[settings.event],
            path=settings.printer,
            size_bytes=len(data),
            sha256=hashlib.sha256(data).digest() if data else b"",
            new_path=settings.new_name,
        )
