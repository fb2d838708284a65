"""The command lines of the clients. A link chooses among them and fills in what was checked.

INVARIANT: no password is a word of one: others see argv. Pure.
"""

import base64
import hashlib
from pathlib import Path
from typing import Final

from clients.launcher.answer import Order

OPENSSH, PUTTY, FREERDP = "ssh", "putty", "xfreerdp"
SSH_PORT: Final = 22
_LENT: Final = {
    "printers": "/printer",
    "audio": "/sound",
    "microphone": "/microphone",
    "dynamic": "/dynamic-resolution",
}
"""How xfreerdp is told to offer what a secret lets through."""


def openssh(order: Order, known_hosts: Path) -> list[str]:
    """Return the words that start OpenSSH's client.

    It reads no settings of the user's: one that leads by another machine would have that
    machine's question answered with this session's password.
    """
    options = {
        "StrictHostKeyChecking": "yes",
        "PreferredAuthentications": "keyboard-interactive,password",
        "PubkeyAuthentication": "no",
        "NumberOfPasswordPrompts": "1",
        "UpdateHostKeys": "no",
    }
    if order.host_keys:
        options["UserKnownHostsFile"] = str(known_hosts)
        options["GlobalKnownHostsFile"] = "/dev/null"
    words = [OPENSSH, "-F", "none"]
    for name, value in options.items():
        words += ["-o", f"{name}={value}"]
    return [*words, "-p", str(order.port), "-l", order.username, "--", order.host]


def known_hosts(order: Order) -> str:
    """Return the lines by which OpenSSH recognises the gateway."""
    host = order.host if order.port == SSH_PORT else f"[{order.host}]:{order.port}"
    return "".join(f"{host} {key}\n" for key in order.host_keys)


def putty(order: Order, password_file: Path) -> list[str]:
    """Return the words that start PuTTY, 0.77 or newer."""
    words = [PUTTY, "-ssh", "-noagent", "-noshare", "-P", str(order.port), "-l", order.username]
    for key in order.host_keys:
        words += ["-hostkey", _fingerprint(key)]
    return [*words, "-pwfile", str(password_file), order.host]


def freerdp(order: Order, drive: Path | None = None) -> list[str]:
    """Return the words that start xfreerdp; it reads the password from its input.

    `drive` is lent where the secret lets drives through.
    """
    host = f"[{order.host}]" if ":" in order.host else order.host
    # A word begins with it: `drives-in`, `clipboard-rich-out`. The proxy sees to directions.
    lent = {word.partition("-")[0] for word in order.channels}
    words = [FREERDP, f"/v:{host}:{order.port}", f"/u:{order.username}", "/d:", "/from-stdin"]
    words.append(f"/t:{order.secret}")
    # In pairs; without any, those count that the machine trusts.
    pairs = [bytes.fromhex(one).hex(":") for one in order.certificate_fingerprints]
    words.append(",".join(["/cert:deny", *(f"fingerprint:sha256:{one}" for one in pairs)]))
    words.append("+clipboard" if "clipboard" in lent else "-clipboard")
    words += [word for kind, word in _LENT.items() if kind in lent]
    if drive is not None and "drives" in lent:
        words.append(f"/drive:lent,{drive}")
    return words


def _fingerprint(key: str) -> str:
    blob = base64.b64decode(key.split(" ")[1] + "==")
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode()
    return f"SHA256:{digest.rstrip('=')}"
