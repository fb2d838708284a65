"""The legs: what they take from asyncssh, when they read on, and who gets their packets."""

import ast
import asyncio
from pathlib import Path

import asyncssh
import pytest
from samples.ssh_packets import opening

from protocols.ssh import client_leg, private_names, transport
from protocols.ssh.packets import Message, body_of
from protocols.ssh.transport import TURN_BYTES, TargetLeg, install


def private_uses() -> set[str]:
    """The underscored attributes that the legs read, but neither set nor define themselves."""
    used, own = set(), set()
    sources = [
        ast.parse(Path(module.__file__).read_text()) for module in (transport, client_leg)
    ]
    for node in (node for source in sources for node in ast.walk(source)):
        if (
            isinstance(node, ast.Attribute)
            and node.attr.startswith("_")
            and node.attr[1] != "_"
        ):
            used.add(node.attr)
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            targets = (t for each in ast.walk(node) for t in getattr(each, "targets", []))
            own |= {t.attr for t in targets if isinstance(t, ast.Attribute)}
            annotated = (
                each.target for each in ast.walk(node) if isinstance(each, ast.AnnAssign)
            )
            own |= {t.attr for t in annotated if isinstance(t, ast.Attribute)}
        if isinstance(node, ast.FunctionDef):
            own.add(node.name)
    return used - own


def test_every_private_name_that_is_used_is_looked_at_when_the_daemon_starts():
    watched = set(private_names.ATTRIBUTES) | {"_enc_params"}
    watched |= {name for names in private_names.CLASSES.values() for name in names}
    assert private_uses() <= watched


class FakeTransport(asyncio.Transport):
    """Remembers whether it may read; the network's part is played by nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return False


def options() -> asyncssh.SSHClientConnectionOptions:
    made = asyncssh.SSHClientConnectionOptions(
        username="u", known_hosts=None, client_keys=None, agent_path=None, config=None
    )
    made.waiter = asyncio.get_running_loop().create_future()
    return made


async def test_a_leg_reads_on_when_its_last_reason_to_wait_is_gone():
    leg = TargetLeg(options())
    fake = FakeTransport()
    leg._transport = fake
    leg.pause("peer")
    leg.pause("recording")
    leg.resume("peer")
    assert not fake.reading
    leg.resume("recording")
    assert fake.reading


async def test_a_leg_that_much_was_read_of_at_once_lets_the_other_have_its_turn():
    leg = TargetLeg(options())
    fake = FakeTransport()
    leg._transport, leg._recv_handler = fake, lambda: False
    leg.data_received(bytes(TURN_BYTES - 1))
    assert fake.reading
    leg.data_received(bytes(TURN_BYTES))
    assert not fake.reading
    await asyncio.sleep(0)
    assert fake.reading


async def test_a_leg_that_cannot_send_slows_the_other_down():
    leg, other = TargetLeg(options()), TargetLeg(options())
    fake = FakeTransport()
    other._transport = fake
    leg.take_over(lambda _bodies: None, other)
    leg.pause_writing()
    assert not fake.reading
    leg.resume_writing()
    assert fake.reading


@pytest.mark.parametrize("cipher", ["aes128-gcm@openssh.com", "aes256-ctr"])
async def test_packets_after_the_login_go_to_the_relay_and_not_to_asyncssh(cipher: str):
    install()

    class Open(asyncssh.SSHServer):
        def begin_auth(self, _username: str) -> bool:
            return False

        def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
            return asyncssh.SSHServerSession()

    host_key = asyncssh.generate_private_key("ssh-ed25519")
    listener = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=Open,
        server_host_keys=[host_key],
        encryption_algs=[cipher],
    )
    loop = asyncio.get_running_loop()
    chosen = options()
    got: asyncio.Queue[bytes] = asyncio.Queue(16)
    _, leg = await loop.create_connection(
        lambda: TargetLeg(chosen), "127.0.0.1", listener.get_port()
    )
    async with asyncio.timeout(10):
        await chosen.waiter
        leg.take_over(lambda bodies: [got.put_nowait(body) for body in bodies], leg)
        assert leg._client_kexinit + leg._server_kexinit == b""
        leg.send_bodies([body_of(opening("session"))])
        while (body := await got.get())[1] == Message.GLOBAL_REQUEST:
            continue
    assert body[1] == Message.CHANNEL_OPEN_CONFIRMATION
    leg.leave(asyncssh.DISC_BY_APPLICATION, "done")
    listener.close()
    await listener.wait_closed()
