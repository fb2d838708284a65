"""Ready command lines for a proxy credential. The password is never in one: others see argv."""

from collections.abc import Collection
from types import MappingProxyType
from typing import Final

from control.rdp_file import lent_by
from recorder.session_info import TargetProtocol

_LENDING: Final = MappingProxyType(
    {
        "drives": "/drive:NAME,FOLDER",
        "printers": "/printer",
        "audio": "/sound",
        "microphone": "/microphone",
        "dynamic": "/dynamic-resolution",
    }
)
"""How xfreerdp is told to offer what a secret lets through; the clipboard it offers anyway."""


def command_lines(
    protocol: TargetProtocol,
    username: str,
    host: str,
    port: int,
    channels: Collection[str] = (),
) -> dict[str, str]:
    """Return a command line for each client that speaks the protocol.

    Port 0, which is yet to be chosen, becomes the word PORT. `channels` are what the secret
    lets through; which folder is to be lent is left to fill in.
    """
    shown = str(port) if port else "PORT"
    if protocol is TargetProtocol.RDP:
        return _rdp(username, host, shown, channels)
    return _ssh(username, host, shown)


def _ssh(username: str, host: str, port: str) -> dict[str, str]:
    return {
        "openssh": f"ssh -p {port} {username}@{host}",
        "putty": f"putty -ssh -P {port} {username}@{host}",
        "plink": f"plink -ssh -P {port} -l {username} {host}",
        "scp": f"scp -P {port} FILE {username}@{_bracketed(host)}:",
        "sftp": f"sftp -P {port} {username}@{_bracketed(host)}",
        "winscp": f"winscp sftp://{username}@{_bracketed(host)}:{port}/",
    }


def _rdp(username: str, host: str, port: str, channels: Collection[str]) -> dict[str, str]:
    address, lent = f"{_bracketed(host)}:{port}", lent_by(channels)
    words = ["+clipboard" if "clipboard" in lent else "-clipboard"]
    words += [word for kind, word in _LENDING.items() if kind in lent]
    return {
        # mstsc is told of all else by a file only: `control.rdp_file`.
        "mstsc": f"mstsc /v:{address}",
        "xfreerdp": " ".join([f"xfreerdp /v:{address} /u:{username}", *words]),
    }


def _bracketed(host: str) -> str:
    # An IPv6 address stands in brackets where a colon follows it.
    return f"[{host}]" if ":" in host else host
