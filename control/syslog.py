"""A row of the audit trail as a syslog message. Sans-io.

RFC 5424 is the message, RFC 6587 section 3.4.1 (and RFC 5425) how messages follow each
other on a stream: each with its length in front.
"""

import datetime as dt
import re
from typing import Final

from control.audit_requests import AuditEntry

_LOG_AUDIT: Final = 13
"""The facility (RFC 5424, 6.2.1)."""
_WARNING, _NOTICE = 4, 5
_REFUSALS: Final = (".denied", "_refused", ".lost")
"""How actions end that somebody may want to look at."""
_ENTERPRISE: Final = "proxyd@32473"
"""proxyd has no number of its own at IANA; this one is for such use (RFC 5612)."""
_BOM: Final = "\ufeff"
MAX_BYTES: Final = 8000
"""Common servers cut at 8 KiB, and say nothing."""
_CUT: Final = " [cut: the whole is in proxyd's database]"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NOT_A_WORD: Final = re.compile(r"[^\x21-\x7e]")


def message(entry: AuditEntry, hostname: str) -> bytes:
    """Return one message, at most `MAX_BYTES` long: a longer detail is cut, and says so."""
    whole = _message(entry, hostname, entry.detail)
    if len(whole) <= MAX_BYTES:
        return whole
    kept = entry.detail
    while len(whole) > MAX_BYTES and kept:
        kept = kept[: len(kept) * 3 // 4]
        whole = _message(entry, hostname, kept + _CUT)
    return whole[:MAX_BYTES]


def framed(one: bytes) -> bytes:
    """Return `one` as it goes onto a stream."""
    return b"%d %b" % (len(one), one)


def _message(entry: AuditEntry, hostname: str, detail: str) -> bytes:
    severity = _WARNING if entry.action.endswith(_REFUSALS) else _NOTICE
    at = entry.at.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    header = " ".join(
        (
            f"<{8 * _LOG_AUDIT + severity}>1",
            at,
            _word(hostname, 255),
            "proxyd",
            "-",
            _word(entry.action, 32),
        )
    )
    values = {"id": str(entry.id), "who": entry.who, "subject": entry.subject, "detail": detail}
    data = " ".join(f'{name}="{_value(value)}"' for name, value in values.items())
    text = _shown(f"{entry.who} {entry.action} {entry.subject}")
    return f"{header} [{_ENTERPRISE} {data}] {_BOM}{text}".encode()


def _word(text: str, longest: int) -> str:
    """Return a header field: visible ASCII, or `-`."""
    return _NOT_A_WORD.sub("?", text)[:longest] or "-"


def _value(text: str) -> str:
    """Return a parameter's value (RFC 5424, 6.3.3)."""
    return re.sub(r'(["\\\]])', r"\\\1", _shown(text))


def _shown(text: str) -> str:
    """Write out what could start a line of its own or steer a terminal."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)
