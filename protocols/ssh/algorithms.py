"""Which algorithms each leg offers, and why. Names as in RFC 4253 and OpenSSH's PROTOCOL.

Client leg: no finite-field Diffie-Hellman (30 exchanges a second cost a core, and anybody
may ask for them), no NIST curves, no SHA-1, no CBC, no compression (a 250 KiB packet
inflates to 250 MiB before anything looks at it). Target leg: the same, but the NIST
curves and plain MACs, since a target is as old as it is.
"""

import re
from collections.abc import Iterable
from typing import Final

from protocols.ssh.packets import Reader

VERSION: Final = "OpenSSH_9.9_proxyd"
"""What we call ourselves on both legs.

OpenSSH says that nobody reads a channel any more (`eow@openssh.com`) only to a peer of
this name; without it, `ssh host yes | head` would never end.
"""

_COOKIE_BYTES: Final = 16

CLIENT_KEX: Final = (
    # A server's order decides nothing but whose guess is right: dropbear sends its first
    # packet along with a guess, asyncssh takes a guess for right when it is the one that
    # is chosen, so the curve that dropbear guesses stands first.
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "mlkem768x25519-sha256",
)
TARGET_KEX: Final = (
    "mlkem768x25519-sha256",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
)

GCM: Final = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
_COUNTER: Final = ("aes256-ctr", "aes192-ctr", "aes128-ctr")
_CHACHA: Final = "chacha20-poly1305@openssh.com"
ALL_CIPHERS: Final = (*_COUNTER, *GCM, _CHACHA)
TARGET_CIPHERS: Final = (*GCM, _CHACHA, *_COUNTER)

CLIENT_MACS: Final = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com")
TARGET_MACS: Final = (*CLIENT_MACS, "hmac-sha2-256", "hmac-sha2-512")

SIGNATURES: Final = (
    "ssh-ed25519",
    "rsa-sha2-512",
    "rsa-sha2-256",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
)

_UNASKED: Final = re.compile(r"SSH-2\.0-(OpenSSH|PuTTY|WinSCP|FileZilla)")


def offers_unasked(version: str) -> bool:
    """Say whether a client that calls itself `version` sends its algorithms unasked."""
    return _UNASKED.match(version) is not None


def without_sha1(host_key_algorithms: Iterable[bytes]) -> list[bytes]:
    """Return those that we sign with: an RSA key brings `ssh-rsa`, which means SHA-1."""
    return [name for name in host_key_algorithms if name.decode() in SIGNATURES]


def preferred(kexinit: bytes) -> list[bytes]:
    """Return the ciphers to offer to a client that sent `kexinit` (RFC 4253 7.1).

    AES-GCM costs us a third of the others, so a client that has it is offered nothing else.
    """
    fields = Reader(kexinit, 1 + _COOKIE_BYTES)
    fields.string()
    fields.string()
    theirs = fields.string().split(b",")
    gcm = [name.encode() for name in GCM if name.encode() in theirs]
    return gcm or [name.encode() for name in ALL_CIPHERS]
