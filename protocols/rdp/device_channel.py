"""The channel for devices in a relay: drives and printers, their files recorded. Sans-io.

Messages about one file's contents pass piece by piece as they come; others are held until
they are whole. Devices that the secret does not let through are taken out of what the client
announces: the target never hears of them.
"""

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from protocols.contents import Contents
from protocols.errors import RemoteProtocolError
from protocols.rdp.device_files import DeviceLedger
from protocols.rdp.device_policy import DevicePolicy, DeviceTerms, Judged
from protocols.rdp.followed import Passed, Refusals
from protocols.rdp.printer_settings import PrinterSettings
from protocols.rdp.wire import devices, printers
from protocols.rdp.wire.devices import Device, DeviceKind, Kind, Major, Status
from protocols.rdp.wire.virtual_channel import Pieces, pieces
from recorder.events import ForwardGranted, KnownEvent

CHANNEL_NAME: Final = "rdpdr"
_MAX_HELD_BYTES: Final = 1024 * 1024
"""Of a message that is read as a whole: a list of printers with their settings is long."""
_MAX_DEVICES: Final = 256
_HELD_REQUESTS: Final = frozenset({Major.CREATE, Major.SET_INFORMATION})
"""Those that hold a path."""
_NAMES: Final = MappingProxyType[int, str](
    {
        DeviceKind.SERIAL_PORT: "serial port",
        DeviceKind.PARALLEL_PORT: "parallel port",
        DeviceKind.PRINTER: "printer",
        DeviceKind.DRIVE: "drive",
        DeviceKind.SMART_CARD: "smart card",
    }
)
_REFUSED: Final = MappingProxyType(
    {
        Status.NO_SUCH_DEVICE: "a request to a device that is not there",
        Status.INVALID_HANDLE: "a request about a file that is not open",
        Status.INVALID_DEVICE_REQUEST: "a request that is not recorded",
        Status.INSUFFICIENT_RESOURCES: "more open files or requests than are followed",
    }
)
"""What the recording says of a refusal, but for those that the ledger tells."""


class _Fate(Struct):
    """What becomes of a message."""

    onward: bytes | None = None
    """In its place, empty for nothing; None where it passes as it came."""
    answer: bytes = b""
    """For the target, once the whole message has come."""
    contents: Contents | None = None
    left_bytes: int = 0
    """Of the contents that are yet to come."""

    def feed(self, data: bytes | bytearray) -> None:
        """Hand on what of a piece are contents."""
        if self.contents is not None and self.left_bytes:
            part = memoryview(data)[: self.left_bytes]
            self.left_bytes -= len(part)
            self.contents(part)


class _Way:
    """One direction."""

    def __init__(self) -> None:
        self.pieces = Pieces()
        self.held: list[bytes] = []
        self.head = bytearray()
        self.fate: _Fate | None = None

    def begin(self) -> None:
        self.held, self.head, self.fate = [], bytearray(), None


_Rule = Callable[[bytes, int], _Fate]


class DeviceChannel:
    """Follows the channel for devices."""

    def __init__(self, terms: DeviceTerms, *, show_protocol: bool = False) -> None:
        self._terms, self._show_protocol = terms, show_protocol
        self._ledger = DeviceLedger()
        self._policy = DevicePolicy(terms, self._ledger)
        self._printer_settings = PrinterSettings()
        self._refusals = Refusals(CHANNEL_NAME)
        self._ways = {True: _Way(), False: _Way()}
        """By whether it is the client's."""
        self._events: list[KnownEvent] = []
        self._rules: dict[bool, dict[int, _Rule]] = {
            False: {
                Kind.SERVER_ANNOUNCE: self._restart,
                Kind.CLIENT_ID: self._pass,
                Kind.SERVER_CAPABILITIES: self._pass,
                Kind.LOGGED_ON: self._pass,
                Kind.DEVICE_REPLY: self._pass,
                Kind.REQUEST: self._request,
                Kind.USES_XPS: self._xps,
                Kind.PRINTER_SETTINGS: self._settings,
            },
            True: {
                Kind.CLIENT_ID: self._pass,
                Kind.CLIENT_NAME: self._pass,
                Kind.CLIENT_CAPABILITIES: self._capabilities,
                Kind.DEVICES: self._announced,
                Kind.DEVICES_GONE: self._gone,
                Kind.COMPLETION: self._completion,
            },
        }
        """What may be said, by whether it is the client who says it."""

    def take(self, at_ms: int, data: bytes, *, from_client: bool) -> Passed:
        """Take the next piece; raise `RemoteProtocolError` where it makes no sense."""
        self._ledger.at_ms = at_ms
        way = self._ways[from_client]
        piece = way.pieces.read(data)
        if piece.is_signal:
            return Passed([data])
        if piece.is_first:
            way.begin()
        if way.fate is not None:
            way.fate.feed(piece.data)
            passed = Passed([data] if way.fate.onward is None else [])
        else:
            way.held.append(data)
            way.head += piece.data
            passed = Passed([])
            if piece.is_last or self._is_known(way.head, from_client=from_client):
                passed.onward = self._decided(way, piece.whole_bytes, from_client=from_client)
        if piece.is_last and way.fate is not None and way.fate.answer:
            passed.back = self._cut(way.fate.answer)
        passed.events, self._events = self._events + self._ledger.take(), []
        return passed

    def end(self, at_ms: int, /) -> list[KnownEvent]:
        """Return what was under way with files; begin anew."""
        self._ledger.at_ms = at_ms
        self._forget()
        self._ways = {True: _Way(), False: _Way()}
        return self._ledger.take()

    def _cut(self, message: bytes) -> list[bytes]:
        return list(pieces(message, show_protocol=self._show_protocol))

    @staticmethod
    def _is_known(head: bytearray, *, from_client: bool) -> bool:
        """Say whether enough of a message is there to decide on it."""
        if len(head) > _MAX_HELD_BYTES:
            raise RemoteProtocolError("a message about devices without an end")
        if len(head) < devices.SPAN_BYTES:
            return False
        begun = bytes(head[: devices.SPAN_BYTES])
        kind = devices.kind_of(begun)
        if from_client:
            return kind == Kind.COMPLETION
        return kind == Kind.REQUEST and devices.read_request(begun).major not in _HELD_REQUESTS

    def _decided(self, way: _Way, whole_bytes: int, *, from_client: bool) -> list[bytes]:
        """Decide on a message; return the pieces that go on."""
        message, held = bytes(way.head), way.held
        rule = self._rules[from_client].get(devices.kind_of(message))
        if rule is None:
            self._tell("a message of an unknown kind")
            way.fate = _Fate(b"")
        else:
            way.fate = rule(message, whole_bytes)
        way.held, way.head = [], bytearray()
        return held if way.fate.onward is None else self._cut(way.fate.onward)

    def _tell(self, detail: str) -> None:
        self._events += self._refusals.tell(self._ledger.at_ms, detail)

    def _forget(self) -> None:
        self._ledger.abandon()
        self._policy.devices.clear()
        self._printer_settings.forget()

    # --- messages of both

    @staticmethod
    def _pass(_message: bytes, _whole: int) -> _Fate:
        return _Fate()

    def _restart(self, _message: bytes, _whole: int) -> _Fate:
        """Begin with a target that announces itself, without devices (3.2.5.1.2)."""
        self._forget()
        return _Fate()

    def _xps(self, _message: bytes, _whole: int) -> _Fate:
        return _Fate() if self._terms.printers else _Fate(b"")

    def _settings(self, message: bytes, _whole: int) -> _Fate:
        settings = printers.read_settings(message)
        refused = self._printer_settings.refusal(settings, self._policy.devices.values())
        if refused:
            self._tell(refused)
            return _Fate(b"")
        self._events.append(self._printer_settings.told(settings, self._ledger.at_ms))
        return _Fate(message[: settings.size_bytes])

    def _request(self, message: bytes, whole_bytes: int) -> _Fate:
        judged = self._policy.asked(message, whole_bytes)
        if judged.refused is None:
            return _begun(judged, message[devices.SPAN_BYTES :])
        if judged.refused in _REFUSED:
            self._tell(_REFUSED[judged.refused])
        answer = devices.completion(devices.read_request(message), judged.refused)
        return _Fate(b"", answer=answer)

    # --- messages of the client

    def _completion(self, message: bytes, whole_bytes: int) -> _Fate:
        judged = self._policy.answered(message, whole_bytes)
        if judged is None:
            self._tell("an answer that nobody waits for")
            return _Fate(b"")
        return _begun(judged, message[devices.ANSWER_BYTES :])

    @staticmethod
    def _capabilities(message: bytes, _whole: int) -> _Fate:
        return _Fate(devices.one_by_one(message))

    def _announced(self, message: bytes, _whole: int) -> _Fate:
        announced = devices.read_devices(message)
        allowed = [device for device in announced if self._takes(device)]
        return _Fate(devices.device_list(allowed))

    def _takes(self, device: Device) -> bool:
        """Let a device through, or tell that it is not."""
        known = self._policy.devices
        name = _NAMES.get(device.kind, "device of an unknown kind")
        if not self._terms.allows(device):
            self._tell(f"{name} {device.name}")
            return False
        former = known.get(device.number)
        if former is None:
            if len(known) >= _MAX_DEVICES:
                raise RemoteProtocolError(f"more than {_MAX_DEVICES} devices")
            known[device.number] = device
            granted = ForwardGranted(at_ms=self._ledger.at_ms, request=name, detail=device.name)
            self._events.append(granted)
        elif former != device:
            self._tell(f"{name} {device.name}, with the number of another device")
            return False
        return True

    def _gone(self, message: bytes, _whole: int) -> _Fate:
        known = self._policy.devices
        gone = [number for number in devices.read_removed(message) if number in known]
        for number in gone:
            del known[number]
            self._ledger.abandon(number)
        return _Fate(devices.removal(gone))


def _begun(judged: Judged, data: bytes) -> _Fate:
    """Return the fate of a message that passes, and hand on the contents that came."""
    fate = _Fate(contents=judged.contents, left_bytes=judged.contents_bytes)
    fate.feed(data)
    return fate
