"""Against a real SSH server in this process."""

import asyncio
from collections.abc import AsyncIterator

import asyncssh
import pytest

from bus.contract import HostKeyPolicy, TargetCredential
from config.model import RDPSettings
from control.ports import TargetLogin
from control.target_test import OneDial, log_on_once
from recorder.session_info import Target, TargetProtocol

from .conftest import CANARY


class _Server(asyncssh.SSHServer):
    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("root", CANARY)


@pytest.fixture
async def target() -> AsyncIterator[tuple[int, str]]:
    """The port of a target, and its host key."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    public = key.export_public_key().decode().strip()
    async with asyncssh.listen(
        "127.0.0.1", 0, server_factory=_Server, server_host_keys=[key]
    ) as it:
        yield it.get_port(), public


def login(port, password=CANARY, *keys, protocol=TargetProtocol.SSH):
    return TargetLogin(
        secret_name="web1",
        target=Target(host="127.0.0.1", port=port, protocol=protocol),
        credential=TargetCredential(username="root", password=password),
        host_key_policy=HostKeyPolicy.TOFU,
        host_keys=keys,
    )


async def test_a_good_secret_is_taken_and_the_key_shown(target):
    port, key = target
    tested = await asyncio.to_thread(OneDial(5, RDPSettings()).test, login(port))
    assert (tested.ok, tested.host_key) == (True, key)


async def test_a_wrong_password_is_told_and_not_repeated(target):
    port, key = target
    tested = await log_on_once(login(port, "canary-wrong"), 5)
    assert (tested.ok, tested.host_key) == (False, key)
    assert "canary" not in tested.detail
    assert tested.detail.endswith("an operator gives another by `proxyd secret edit web1`")


async def test_another_host_key_gets_no_password(target):
    port, key = target
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    tested = await log_on_once(login(port, CANARY, other), 5)
    assert (tested.ok, tested.host_key) == (False, key)
    assert tested.detail.startswith(f"127.0.0.1:{port}: the target's host key is not")
    assert "`proxyd secret edit web1 --host-key ...`" in tested.detail


async def test_nobody_there_is_told():
    tested = await log_on_once(login(1), 5)
    assert not tested.ok
    assert "127.0.0.1:1" in tested.detail


async def test_a_desktop_that_is_not_there_is_told():
    gone = login(1, protocol=TargetProtocol.RDP)
    tested = await asyncio.to_thread(OneDial(5, RDPSettings()).test, gone)
    assert (tested.ok, tested.host_key) == (False, None)
    assert tested.detail.startswith("127.0.0.1:1: it refused the connection")


async def test_what_is_no_ssh_server_is_named_and_doubted():
    async def hang_up(reader, writer):
        await reader.read(65536)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        tested = await log_on_once(login(port), 5)
    assert tested.detail.startswith(f"127.0.0.1:{port} ended the connection during login")
    assert tested.detail.endswith("is it an SSH server?")
