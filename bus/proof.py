"""What an engine shows control in place of a proxy credential's password.

The password has at least 128 bits of randomness, so a plain digest of it cannot be
searched. User name and password go in together: a proof is worth nothing for another name.
"""

import hashlib

_DOMAIN = b"proxyd proxy credential proof v1\x00"


def proof(username: str, password: str) -> bytes:
    """Return the 32-byte proof that `password` for `username` is known."""
    name = username.encode("utf-8", "surrogatepass")
    # The length keeps "ab" + "c" and "a" + "bc" apart.
    framed = _DOMAIN + len(name).to_bytes(4, "big") + name
    return hashlib.sha256(framed + password.encode("utf-8", "surrogatepass")).digest()
