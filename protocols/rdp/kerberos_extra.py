"""Whether what Kerberos needs is installed: the extra `proxyd[kerberos]`."""

from importlib.util import find_spec
from typing import Final

from config.errors import ConfigError
from config.model import RDPSettings

_PACKAGES: Final = ("gssapi", "krb5")


def check_kerberos(settings: RDPSettings) -> None:
    """Raise `ConfigError` where `[rdp] kerberos` asks for what is not there.

    Without it targets would be logged on to by NTLM, and nobody would notice.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if settings.kerberos and missing:
        raise ConfigError(
            f"rdp.kerberos is true, but these packages are missing: {', '.join(missing)}: "
            "pip install proxyd[kerberos]"
        )
