"""What may be opened and asked for on a connection: tables, and one question to each.

A secret's `channels` hold these words:

    shell exec sftp scp        the usual four, and the default
    subsystem                  any subsystem; `subsystem:NAME` allows one
    local-forward              -L and -D (direct-tcpip)
    remote-forward             -R (tcpip-forward, forwarded-tcpip)
    unix-forward               both, for unix sockets
    agent x11                  agent and X11 forwarding

What no table names is refused: a new kind of channel must be understood before it may
pass a proxy that has to record it.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from protocols.ssh.packets import Reader

_SCP: Final = re.compile(
    rb"(?:/usr/bin/|/bin/)?scp(?: +-[Cdpqrv346]+)* +-[Cdpqrv346]*[tf][^;&|`$()<>\0\n\r]*"
)

WORDS: Final = frozenset(
    {
        *("shell", "exec", "sftp", "scp", "subsystem"),
        *("local-forward", "remote-forward", "unix-forward", "agent", "x11"),
    }
)

_SESSION_WORDS: Final = frozenset({"shell", "exec", "sftp", "scp", "subsystem"})

_CLIENT_OPENS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "direct-tcpip": "local-forward",
        "direct-streamlocal@openssh.com": "unix-forward",
    }
)
_TARGET_OPENS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "forwarded-tcpip": "remote-forward",
        "forwarded-streamlocal@openssh.com": "unix-forward",
        "auth-agent@openssh.com": "agent",
        "x11": "x11",
    }
)
_CLIENT_ASKS_GLOBALLY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "tcpip-forward": "remote-forward",
        "cancel-tcpip-forward": "remote-forward",
        "streamlocal-forward@openssh.com": "unix-forward",
        "cancel-streamlocal-forward@openssh.com": "unix-forward",
        "keepalive@openssh.com": "",
        "no-more-sessions@openssh.com": "",
    }
)
_TARGET_ASKS_GLOBALLY: Final[frozenset[str]] = frozenset({"keepalive@openssh.com"})
"""`hostkeys-00@openssh.com` is not in here: the client must not learn the target's keys."""

_CLIENT_ASKS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "shell": "shell",
        "x11-req": "x11",
        "auth-agent-req@openssh.com": "agent",
        **dict.fromkeys(
            [
                *("pty-req", "env", "window-change", "signal", "break", "xon-xoff"),
                *("eow@openssh.com", "keepalive@openssh.com", "exit-status"),
                "simple@putty.projects.tartarus.org",
                "winadj@putty.projects.tartarus.org",
            ],
            "",
        ),
    }
)


def is_word(word: str) -> bool:
    """Say whether a secret's `channels` may hold `word`."""
    return word in WORDS or (word.startswith("subsystem:") and len(word) > len("subsystem:"))


class ChannelPolicy:
    """What one secret allows. Every question is answered with None, or with why not."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed = allowed

    def client_opens(self, kind: str) -> str | None:
        """Say why the client may not open a channel of `kind`, if it may not."""
        if kind == "session":
            some = any(word.partition(":")[0] in _SESSION_WORDS for word in self._allowed)
            return None if some else "this secret allows no sessions"
        return self._judge(_CLIENT_OPENS.get(kind), kind)

    def target_opens(self, kind: str) -> str | None:
        """Say why the target may not open a channel of `kind`, if it may not."""
        return self._judge(_TARGET_OPENS.get(kind), kind)

    def client_asks_globally(self, kind: str) -> str | None:
        """Say why a global request of the client must not pass, if it must not."""
        return self._judge(_CLIENT_ASKS_GLOBALLY.get(kind), kind)

    def target_asks_globally(self, kind: str) -> str | None:
        """Say why a global request of the target must not pass, if it must not."""
        return None if kind in _TARGET_ASKS_GLOBALLY else f"{kind} is not passed on"

    def client_asks(self, kind: str, rest: bytes) -> str | None:
        """Say why a request on a session channel must not pass, if it must not."""
        match kind:
            case "exec":
                words = ("exec", "scp") if is_scp(Reader(rest).string()) else ("exec",)
                return self._judge_any(words)
            case "subsystem":
                name = Reader(rest).text()
                own = ("sftp",) if name == "sftp" else ()
                return self._judge_any((*own, f"subsystem:{name}", "subsystem"))
            case _:
                return self._judge(_CLIENT_ASKS.get(kind), kind)

    def _judge(self, word: str | None, kind: str) -> str | None:
        if word is None:
            return f"{kind} is not passed on"
        return None if word == "" else self._judge_any((word,))

    def _judge_any(self, words: tuple[str, ...]) -> str | None:
        if any(word in self._allowed for word in words):
            return None
        return f"this secret does not allow {words[0]}"


def is_scp(command: bytes) -> bool:
    """Say whether `command` is what an scp client runs on the target, and nothing else.

    The shell of the target interprets the command, so anything that could start a second
    one in any usual shell disqualifies it: `(` alone does in fish, `=(` in zsh. And scp
    itself starts what `-S` or `-o` name unless it reads `-t` or `-f` as an option of its
    own, so nothing but its one-letter flags may stand before the path.
    """
    return _SCP.fullmatch(command) is not None
