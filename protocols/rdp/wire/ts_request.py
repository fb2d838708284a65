"""CredSSP's messages ([MS-CSSP] 2.2.1)."""

from typing import Final

from msgspec import Struct

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire import ber
from protocols.rdp.wire.cursor import Reader

VERSION: Final = 6
_MAX_FIELDS: Final = 8
_PASSWORD_CREDENTIALS: Final = 1
_NONCE_BYTES: Final = 32


class TSRequest(Struct, frozen=True, kw_only=True):
    """One message, in either direction ([MS-CSSP] 2.2.1)."""

    version: int = VERSION
    token: bytes | None = None
    """The first of `negoTokens`."""
    auth_info: bytes | None = None
    public_key_auth: bytes | None = None
    error_code: int | None = None
    """An NTSTATUS, as an unsigned number."""
    nonce: bytes | None = None

    def __repr__(self) -> str:
        return f"TSRequest(version={self.version}, <redacted>)"

    @classmethod
    def read(cls, data: bytes) -> "TSRequest":
        """Read one."""
        body = ber.read_as(Reader(data), ber.SEQUENCE, "TSRequest")
        fields = {one.tag[0] & 0x1F: one.body for one in ber.read_all(body, _MAX_FIELDS)}
        if 0 not in fields:
            raise RemoteProtocolError("a TSRequest without a version")
        nonce = _octets(fields.get(5))
        if nonce is not None and len(nonce) != _NONCE_BYTES:
            raise RemoteProtocolError(f"a client nonce of {len(nonce)} bytes")
        error = None if 4 not in fields else _integer(fields[4]) & 0xFFFFFFFF  # noqa: PLR2004
        return cls(
            version=_integer(fields[0]),
            token=_first_token(fields.get(1)),
            auth_info=_octets(fields.get(2)),
            public_key_auth=_octets(fields.get(3)),
            error_code=error,
            nonce=nonce,
        )

    def write(self) -> bytes:
        """Return the message."""
        body = ber.tagged(0, ber.write_integer(self.version))
        if self.token is not None:
            token = ber.tagged(0, ber.write(ber.OCTET_STRING, self.token))
            body += ber.tagged(1, ber.write(ber.SEQUENCE, ber.write(ber.SEQUENCE, token)))
        if self.auth_info is not None:
            body += ber.tagged(2, ber.write(ber.OCTET_STRING, self.auth_info))
        if self.public_key_auth is not None:
            body += ber.tagged(3, ber.write(ber.OCTET_STRING, self.public_key_auth))
        if self.error_code is not None:
            # Windows reads a signed number of 32 bits.
            signed = int.from_bytes(self.error_code.to_bytes(4, "big"), "big", signed=True)
            body += ber.tagged(4, ber.write_integer(signed))
        if self.nonce is not None:
            body += ber.tagged(5, ber.write(ber.OCTET_STRING, self.nonce))
        return ber.write(ber.SEQUENCE, body)


class PasswordCredentials(Struct, frozen=True, kw_only=True):
    """What a client delegates: TSPasswordCreds in TSCredentials ([MS-CSSP] 2.2.1.2)."""

    domain: str
    username: str
    password: str

    def __repr__(self) -> str:
        return "PasswordCredentials(<redacted>)"

    @classmethod
    def read(cls, data: bytes) -> "PasswordCredentials":
        """Read one; anything but a password is refused."""
        fields = _fields(data, "TSCredentials")
        if _integer(fields.get(0, b"")) != _PASSWORD_CREDENTIALS:
            raise RemoteProtocolError("credentials that are no password")
        inner = _fields(_octets(fields.get(1)) or b"", "TSPasswordCreds")
        domain, username, password = (_text(inner.get(number)) for number in range(3))
        return cls(domain=domain, username=username, password=password)

    def write(self) -> bytes:
        """Return the TSCredentials."""
        texts = (self.domain, self.username, self.password)
        inner = b"".join(
            ber.tagged(number, ber.write(ber.OCTET_STRING, text.encode("utf-16-le")))
            for number, text in enumerate(texts)
        )
        inner = ber.write(ber.SEQUENCE, inner)
        body = ber.tagged(0, ber.write_integer(_PASSWORD_CREDENTIALS))
        body += ber.tagged(1, ber.write(ber.OCTET_STRING, inner))
        return ber.write(ber.SEQUENCE, body)


def _fields(data: bytes, what: str) -> dict[int, bytes]:
    body = ber.read_as(Reader(data), ber.SEQUENCE, what)
    return {one.tag[0] & 0x1F: one.body for one in ber.read_all(body, _MAX_FIELDS)}


def _octets(field: bytes | None) -> bytes | None:
    if field is None:
        return None
    return ber.read_as(Reader(field), ber.OCTET_STRING, "octet string")


def _integer(field: bytes) -> int:
    return ber.integer_of(ber.read_as(Reader(field), ber.INTEGER, "integer"))


def _text(field: bytes | None) -> str:
    return (_octets(field) or b"").decode("utf-16-le", "replace")


def _first_token(field: bytes | None) -> bytes | None:
    if field is None:
        return None
    outer = ber.read_as(Reader(field), ber.SEQUENCE, "sequence of tokens")
    inner = ber.read_as(Reader(outer), ber.SEQUENCE, "token")
    return _octets(ber.read_as(Reader(inner), ber.context_tag(0), "token"))
