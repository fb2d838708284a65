"""A login at the gateway, and how each client is told of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from peers.needed import program
from peers.output import Output, run

CLIENT_CONFIG: Final = """\
Host proxy
  HostName 127.0.0.1
  Port {port}
  User {username}
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
  IdentityFile none
  PubkeyAuthentication no
  PreferredAuthentications password,keyboard-interactive
  NumberOfPasswordPrompts 1
  EscapeChar none
"""

ASK: Final = '#!/bin/sh\nprintf "%s\\n" "$SPOKEN_PASSWORD"\n'


@dataclass(frozen=True)
class Login:
    """A proxy credential, and how each client is told of it."""

    id: str
    username: str
    password: str
    port: int
    config: Path
    """For `-F`; the host is called `proxy`."""
    env: dict[str, str] = field(repr=False)

    def ssh(self, *options: str) -> list[str]:
        return [program("ssh"), "-F", str(self.config), *options, "proxy"]

    def tool(self, name: str, *options: str) -> list[str]:
        """`scp`, `sftp`: they take the same configuration."""
        return [program(name), "-F", str(self.config), *options]

    def run(
        self,
        *command: str,
        options: Sequence[str] = (),
        typed: bytes = b"",
        seconds: float = 45,
    ) -> Output:
        """Run OpenSSH's client with a command."""
        return run([*self.ssh(*options), *command], env=self.env, typed=typed, seconds=seconds)
