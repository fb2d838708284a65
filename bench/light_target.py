"""A target that costs little: a thousand sshd processes would not fit beside the engine."""

import asyncio
import json
import sys

import asyncssh


class _Open(asyncssh.SSHServer):
    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return username == password == "light"


async def _idle(process: asyncssh.SSHServerProcess[bytes]) -> None:
    process.stdout.write(b"$ ")
    await process.stdin.read()
    process.exit(0)


async def _serve() -> None:
    acceptor = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=_Open,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        process_factory=_idle,
        encoding=None,
        line_editor=False,
    )
    sys.stdout.write(json.dumps({"port": acceptor.get_port()}) + "\n")
    sys.stdout.flush()
    await acceptor.wait_closed()


if __name__ == "__main__":
    asyncio.run(_serve())
