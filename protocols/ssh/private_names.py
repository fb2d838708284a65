"""The private names of asyncssh that `protocols.ssh.transport` needs, and whether they stand.

An upgrade may move any of them. The daemon looks at its start, and `relay = auto` then
falls back to the relay that needs none; a test looks at each build.
"""

import importlib
import inspect
from collections.abc import Iterator
from types import FunctionType
from typing import Final

CLASSES: Final[dict[str, tuple[str, ...]]] = {
    "asyncssh.connection.SSHConnection": (
        *("_choose_alg", "_cleanup", "_finish_recv_packet", "_force_close", "_recv_data"),
        *("_recv_pkthdr", "_recv_version", "_send_deferred_packets", "_send_disconnect"),
        *("_send", "_send_kexinit", "_process_kexinit", "_packet_handlers", "create_task"),
        *("internal_error", "log_received_packet", "log_sent_packet", "send_packet"),
        *("connection_made", "connection_lost", "send_userauth_failure"),
    ),
    "asyncssh.connection.SSHServerConnection": ("_packet_handlers", "reload_config"),
    "asyncssh.connection.SSHClientConnection": ("abort",),
    "asyncssh.packet.SSHPacketHandler": ("process_packet",),
    "asyncssh.packet.SSHPacket": ("get_byte", "get_full_payload"),
}
"""Methods and tables, by the class that has them."""

ATTRIBUTES: Final[tuple[str, ...]] = (
    *("_auth_complete", "_deferred_packets", "_enc_algs", "_ignore_first_kex", "_inpbuf"),
    *("_kex", "_kex_complete", "_kexinit_sent", "_loop", "_peer_addr", "_recv_blocksize"),
    *("_pktlen",),
    *("_recv_encryption", "_recv_handler", "_recv_macsize", "_recv_seq", "_rekey_bytes"),
    *("_rekey_bytes_sent", "_rekey_seconds", "_rekey_time", "_send_encryption", "_send_seq"),
    *("_strict_kex", "_transport", "_client_kexinit", "_server_kexinit", "_server_sig_algs"),
)
"""What a connection sets on itself when it is made."""

TABLES: Final = ("asyncssh.encryption._enc_params",)


def broken() -> list[str]:
    """Return the names that are not there any more; none is what should be."""
    return list(_broken())


def check() -> None:
    """Raise `ImportError` where asyncssh is not the one that the packet relay knows."""
    if names := broken():
        raise ImportError(
            f"this asyncssh lacks what the packet relay needs: {', '.join(names)}"
        )


def _broken() -> Iterator[str]:
    for path, names in CLASSES.items():
        found = _named(path)
        yield from (f"{path}.{name}" for name in names if not hasattr(found, name))
    made = getattr(_named("asyncssh.connection.SSHConnection"), "__init__", None)
    known = made.__code__.co_names if isinstance(made, FunctionType) else ()
    yield from (f"SSHConnection.{name}" for name in ATTRIBUTES if name not in known)
    for path in TABLES:
        table = _named(path)
        sizes = {len(row) for row in table.values()} if isinstance(table, dict) else set()
        if sizes != {2}:
            yield path
    server = _named("asyncssh.connection.SSHServerConnection")
    if inspect.isclass(server) and list(inspect.signature(server).parameters)[:2] != [
        "loop",
        "options",
    ]:
        yield "SSHServerConnection(loop, options)"


def _named(path: str) -> object:
    """Return what `path` names, or None."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
