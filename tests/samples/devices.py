"""Both ends of the channel for devices, scripted: what each of them says."""

from collections.abc import Iterable

from protocols.rdp.device_channel import DeviceChannel
from protocols.rdp.device_policy import DeviceTerms
from protocols.rdp.wire.devices import DeviceKind, Kind, Major, Setting
from protocols.rdp.wire.printers import Event
from protocols.rdp.wire.virtual_channel import HEADER_BYTES
from recorder.events import FileTouched, KnownEvent

BOTH_WAYS = DeviceTerms(to_target=True, to_client=True, printers=True)
DRIVE, PRINTER = 1, 2
SHARE, LASER = "share", "Laser 1"
FILE = 7
READ_DATA, WRITE_DATA = 0x01, 0x02


def numbers(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "little") for value in values)


def wide(text: str) -> bytes:
    return (text + "\0").encode("utf-16-le")


def device(kind: int, number: int, name: str, data: bytes = b"") -> bytes:
    return numbers(kind, number) + name.encode()[:7].ljust(8, b"\0") + numbers(len(data)) + data


def printer(number: int, name: str) -> bytes:
    driver, said = wide("MS Publisher Imagesetter"), wide(name)
    data = numbers(0, 0, 0, len(driver), len(said), 0) + driver + said
    return device(DeviceKind.PRINTER, number, f"PRN{number}", data)


def _settings(event: Event, *fields: bytes, head: bytes = b"") -> bytes:
    sizes = numbers(*(len(field) for field in fields))
    return numbers(Kind.PRINTER_SETTINGS, event) + head + sizes + b"".join(fields)


def settings_added(name: str, data: bytes, port: bytes = b"PRN2") -> bytes:
    fields = (b"", wide("MS Publisher Imagesetter"), wide(name), data)
    return _settings(Event.ADD, *fields, head=port.ljust(8, b"\0"))


def settings_updated(name: str, data: bytes) -> bytes:
    return _settings(Event.UPDATE, wide(name), data)


def settings_deleted(name: str) -> bytes:
    return _settings(Event.DELETE, wide(name))


def settings_renamed(name: str, new_name: str) -> bytes:
    return _settings(Event.RENAME, wide(name), wide(new_name))


def announced(*devices: bytes) -> bytes:
    return numbers(Kind.DEVICES, len(devices)) + b"".join(devices)


def asked(
    major: int, completion: int, body: bytes, *, file: int = FILE, on: int = DRIVE
) -> bytes:
    return numbers(Kind.REQUEST, on, file, completion, major, 0) + body


def create(
    path: str,
    completion: int = 1,
    *,
    access: int = READ_DATA,
    disposition: int = 1,
    options: int = 0,
    on: int = DRIVE,
) -> bytes:
    name = wide(path)
    body = numbers(access, 0, 0, 0, 0, disposition, options, len(name)) + name
    return asked(Major.CREATE, completion, body, file=0, on=on)


def span(size: int, offset: int) -> bytes:
    return numbers(size) + offset.to_bytes(8, "little") + bytes(20)


def read(size: int, offset: int, completion: int = 2) -> bytes:
    return asked(Major.READ, completion, span(size, offset))


def write(data: bytes, offset: int, completion: int = 2, *, on: int = DRIVE) -> bytes:
    return asked(Major.WRITE, completion, span(len(data), offset) + data, on=on)


def set_to(kind: Setting, value: bytes, completion: int = 2) -> bytes:
    body = numbers(kind, len(value)) + bytes(24) + value
    return asked(Major.SET_INFORMATION, completion, body)


def renamed_to(path: str) -> bytes:
    name = wide(path)
    return set_to(Setting.RENAME, b"\1\0" + numbers(len(name)) + name)


def close(completion: int = 9, *, on: int = DRIVE) -> bytes:
    return asked(Major.CLOSE, completion, bytes(32), on=on)


def done(
    completion: int, *body: int, status: int = 0, data: bytes = b"", on: int = DRIVE
) -> bytes:
    return numbers(Kind.COMPLETION, on, completion, status, *body) + data


def was_read(data: bytes, completion: int = 2) -> bytes:
    return done(completion, len(data), data=data)


def opened(completion: int = 1, *, on: int = DRIVE) -> bytes:
    return done(completion, FILE, data=b"\0", on=on)


def cut(message: bytes, size: int = 1600) -> list[bytes]:
    """A message in pieces of any size."""
    whole, cut_off = numbers(len(message)), []
    for start in range(0, len(message), size):
        end = start + size
        flags = (0 if start else 1) | (2 if end >= len(message) else 0)
        cut_off.append(whole + numbers(flags) + message[start:end])
    return cut_off


class Conversation:
    """A channel between both ends: what each of them hears."""

    def __init__(self, terms: DeviceTerms = BOTH_WAYS, *, piece_bytes: int = 1600) -> None:
        self.channel = DeviceChannel(terms)
        self.at_ms = 5
        self.to_client: list[bytes] = []
        self.to_target: list[bytes] = []
        self.events: list[KnownEvent] = []
        self._piece_bytes = piece_bytes

    def target(self, *messages: bytes) -> "Conversation":
        self._say(messages, self.to_client, from_client=False)
        return self

    def client(self, *messages: bytes) -> "Conversation":
        self._say(messages, self.to_target, from_client=True)
        return self

    def _say(self, messages: Iterable[bytes], heard: list[bytes], *, from_client: bool) -> None:
        for message in messages:
            onward: list[bytes] = []
            for piece in cut(message, self._piece_bytes):
                passed = self.channel.take(self.at_ms, piece, from_client=from_client)
                onward += [one[HEADER_BYTES:] for one in passed.onward]
                self.to_target += [one[HEADER_BYTES:] for one in passed.back]
                self.events += passed.events
            if onward:
                heard.append(b"".join(onward))

    def end(self) -> "Conversation":
        self.events += self.channel.end(self.at_ms)
        return self

    @property
    def files(self) -> list[FileTouched]:
        return [event for event in self.events if isinstance(event, FileTouched)]

    @property
    def facts(self) -> list[tuple[str, str, int, str]]:
        return [(one.operation, one.path, one.size_bytes, one.outcome) for one in self.files]


def conversation(terms: DeviceTerms = BOTH_WAYS, *, piece_bytes: int = 1600) -> Conversation:
    """One in which a drive and a printer were announced; what was said is forgotten."""
    talk = Conversation(terms, piece_bytes=piece_bytes)
    drive = device(DeviceKind.DRIVE, DRIVE, SHARE)
    talk.client(announced(drive, printer(PRINTER, LASER)))
    talk.to_client, talk.to_target, talk.events = [], [], []
    return talk
