"""What the sans-io machines of a handshake ask of whoever drives them."""

from msgspec import Struct

from protocols.rdp.ntlm import Attempt


class Send(Struct, frozen=True):
    """These bytes are for the peer."""

    data: bytes


class StartTLS(Struct, frozen=True):
    """Protect the connection now; then call `tls_started`."""


class ProofWanted(Struct, frozen=True):
    """Ask what a client's answer proves; then call `proved` or `unproved`."""

    attempt: Attempt


class LoginWanted(Struct, frozen=True):
    """Redeem this proxy credential; the handshake with the client is over."""

    username: str
    """In small letters: NTLM and Windows know no others."""
    password: str

    def __repr__(self) -> str:
        return "LoginWanted(<redacted>)"


class Refused(Struct, frozen=True):
    """Close the connection: what there is to say was sent before."""

    reason: str


class Ready(Struct, frozen=True):
    """The handshake with the target is over; the relay may begin."""


Step = Send | StartTLS | ProofWanted | LoginWanted | Refused | Ready
