"""Checks the passwords of users who log on to an engine by their own name."""

from typing import Final

from bus.contract import Denied, UserValidated, ValidateUser
from bus.sealed import open_with, public_half
from control.log_in import LogIn, Origin, Refused
from control.vault import Vault

_PURPOSE: Final = b"proxyd key for users' passwords v1"
_INFO: Final = b"proxyd user password\x00"


def password_info(username: str) -> bytes:
    """Return the `info` under which the password of `username` is sealed."""
    return _INFO + username.encode("utf-8", "surrogatepass")


class UserCheck:
    """Says whether somebody is the user he says he is. Blocking; from any thread."""

    def __init__(self, log_in: LogIn, vault: Vault) -> None:
        self._log_in = log_in
        # Every control node of one vault has the same key, and no file holds it.
        self._key = vault.mac(_PURPOSE)
        self.public = public_half(self._key)
        """X25519; engines seal passwords to it."""

    def validate(self, request: ValidateUser) -> UserValidated | Denied:
        """Return who it is, or why not. Raises `SealError`."""
        sealed, info = request.sealed_password, password_info(request.username)
        password = open_with(self._key, sealed, info).decode("utf-8", "surrogatepass")
        origin = Origin(address=request.client_address, by=request.engine_id)
        known = self._log_in.password(request.username, password, origin)
        if isinstance(known, Refused):
            return Denied(reason=known.reason)
        return UserValidated(user=known.name, role=known.role)
