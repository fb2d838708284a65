"""A directory (LDAP) that knows users' passwords: who can bind as an entry is whose it is.

INVARIANT: nothing is said before TLS has shown whose the directory is.
INVARIANT: an empty password is never sent: a directory takes that for nobody in particular,
and agrees (RFC 4513 5.1.2).
"""

import contextlib
import re
import ssl
from typing import Any, Final

import structlog

from config.errors import ConfigError
from config.model import LDAPSettings

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""As names of users are: nothing that means something in an entry's name."""
_BIND_ERRORS: Final = frozenset({0, 49})
"""Results that are an answer: success, and invalid credentials (RFC 4511 4.1.9)."""

_log = structlog.get_logger()


class Directory:
    """Asks it. Blocking; may be used from any thread."""

    def __init__(self, settings: LDAPSettings) -> None:
        """Raise `ConfigError` where the settings cannot be used."""
        if settings.user_dn.count("{name}") != 1:
            raise ConfigError(
                "ldap.user_dn must hold {name} once: uid={name},ou=people,dc=example,dc=org"
            )
        try:
            # An extra: most nodes have no directory.
            import ldap3  # noqa: PLC0415
        except ImportError as error:
            raise ConfigError(
                "ldap.url is set, but the package ldap3 is missing: pip install proxyd[ldap]"
            ) from error
        self._ldap3: Any = ldap3
        self._settings = settings
        ca_file = None if settings.ca_file is None else str(settings.ca_file)
        try:
            tls = ldap3.Tls(
                validate=ssl.CERT_REQUIRED,
                version=ssl.PROTOCOL_TLS_CLIENT,
                ca_certs_file=ca_file,
            )
        except ldap3.core.exceptions.LDAPException as error:
            raise ConfigError(f"ldap.ca_file: {ca_file} cannot be used: {error}") from error
        self._server = ldap3.Server(
            settings.url, tls=tls, connect_timeout=settings.timeout_s, get_info=ldap3.NONE
        )

    def verifies(self, name: str, password: str) -> bool:
        """Say whether `password` is that of `name`.

        It is not where nobody answers; that is in the log.
        """
        if not password or not _NAME.fullmatch(name):
            return False
        entry = self._settings.user_dn.replace("{name}", name)
        errors = self._ldap3.core.exceptions
        connection = self._ldap3.Connection(
            self._server,
            user=entry,
            password=password,
            receive_timeout=self._settings.timeout_s,
        )
        try:
            if not self._settings.url.startswith("ldaps:"):
                connection.start_tls(read_server_info=False)
            matches = bool(connection.bind(read_server_info=False))
            result = connection.result["result"]
        except (errors.LDAPException, OSError) as error:
            # Its text names the server and what TLS said, and not what was sent.
            _log.warning("directory.unreachable", url=self._settings.url, reason=str(error))
            return False
        finally:
            with contextlib.suppress(errors.LDAPException, OSError):
                connection.unbind()
        if result not in _BIND_ERRORS:
            _log.warning("directory.refused", url=self._settings.url, result=result)
        return matches


def directory_of(settings: LDAPSettings) -> Directory | None:
    """Return the directory of the settings, if they name one; raise `ConfigError`."""
    return Directory(settings) if settings.url else None
