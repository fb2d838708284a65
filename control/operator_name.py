"""What an operator is called."""

import pwd


def operator_name(uid: int) -> str:
    """Return the OS user name of `uid`, as the audit trail names an operator."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
