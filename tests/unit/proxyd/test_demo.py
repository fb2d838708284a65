import asyncio
import os

from config.load import load
from proxyd import demo


def test_every_demo_gets_ports_of_its_own(tmp_path):
    path = tmp_path / "proxyd.toml"
    path.write_text(demo._settings_text(tmp_path / 'a "quoted" state'))
    settings = load(path, {})
    assert settings.state_dir == tmp_path / 'a "quoted" state'
    listening = {*settings.ssh.listen, settings.control.listen, settings.metrics.listen}
    assert len(listening) == 3
    assert all(address.startswith("127.0.0.1:") for address in listening)


def test_passwords_last_from_one_demo_to_the_next(tmp_path):
    path, state = tmp_path / "passwords.json", tmp_path / "state"
    made = demo._passwords(path, state)
    assert path.stat().st_mode & 0o777 == 0o600
    assert demo._passwords(path, state) == made
    assert made.admin != made.user


def test_without_its_passwords_a_demo_begins_anew(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    demo._passwords(tmp_path / "passwords.json", state)
    assert not state.exists()


async def test_the_target_says_where_it_is_and_ends_with_the_demo():
    async with asyncio.timeout(30), demo._demo_target() as (target, child):
        assert target.host == "127.0.0.1"
        assert target.host_key.startswith("ssh-ed25519 ")
        reader, writer = await asyncio.open_connection(target.host, target.port)
        assert (await reader.readline()).startswith(b"SSH-2.0-")
        writer.close()
    assert child.returncode is not None
    assert not os.path.exists(f"/proc/{child.pid}")  # noqa: PTH110, ASYNC240 - the kernel's
