import asyncio
import contextlib
import socket

import msgspec
import pytest

from config.errors import ConfigError
from config.model import MetricsSettings, RDPSettings, Settings, SSHSettings
from control.requests import (
    AddSecret,
    AddUser,
    AskStatus,
    GrantAccess,
    IssueCredential,
    IssuedCredential,
)
from proxyd import doctor
from proxyd import node as node_module
from proxyd.node import WholeNode
from proxyd.service import StartError, leaves
from recorder.session_info import TargetProtocol


@pytest.fixture
def settings(state):
    return Settings(
        state_dir=state,
        drain_timeout_s=0,
        ssh=SSHSettings(listen=("127.0.0.1:0",)),
        rdp=RDPSettings(listen=("127.0.0.1:0",)),
        metrics=MetricsSettings(listen="127.0.0.1:0"),
    )


@contextlib.asynccontextmanager
async def serving(settings: Settings):
    """A node in this process, until the body ends."""
    node = WholeNode(settings, lambda: settings)
    started = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(node.serve(started.set))
        async with asyncio.timeout(20):
            await started.wait()
        yield node
        async with asyncio.timeout(20):
            await node.drain()
        task.cancel()


async def why_not(settings: Settings) -> Exception:
    """Why a node does not start."""
    try:
        async with asyncio.timeout(20):
            await WholeNode(settings, lambda: settings).serve(lambda: None)
    except Exception as error:  # noqa: BLE001 - the question is which
        [leaf] = leaves(error)
        return leaf
    pytest.fail("it started")


async def test_a_node_says_how_it_is(settings):
    async with serving(settings) as node:
        [status] = await asyncio.to_thread(
            lambda: list(node.operations.carry_out(AskStatus(), "me"))
        )
        assert (status.running, status.role, status.live_sessions) == (True, "all", 0)
        assert status.listening["ssh"][0].startswith("127.0.0.1:")
        assert status.problems == ()
        assert node.status() == "0 sessions, 0 chunks to store"


async def test_a_credential_has_the_port_that_was_chosen_at_start(settings):
    def issued(node: WholeNode) -> IssuedCredential:
        requests = (
            AddUser(name="ana", password="correct horse battery"),
            AddSecret(
                name="web",
                protocol=TargetProtocol.SSH,
                host="web.example.org",
                port=22,
                username="root",
                password="pw",
            ),
            GrantAccess(user="ana", secret="web"),
            IssueCredential(secret="web", user="ana", ttl_s=60),
        )
        for request in requests:
            [result] = node.operations.carry_out(request, "me")
        return result

    async with serving(settings) as node:
        credential = await asyncio.to_thread(issued, node)
        [address] = node.tell().listening["ssh"]
    assert credential.port > 0
    assert address == f"127.0.0.1:{credential.port}"


async def test_doctor_asks_a_running_node_what_it_complains_of(settings, monkeypatch):
    async with serving(settings):
        well = await asyncio.to_thread(doctor.check_node, settings)
        monkeypatch.setattr(node_module, "_engine_problems", lambda _: ["the spool is full"])
        with pytest.raises(doctor.Ill, match="the spool is full"):
            await asyncio.to_thread(doctor.check_node, settings)
    assert well == "runs, and complains of nothing"
    assert doctor.check_node(settings) == "does not run"


async def test_doctor_believes_a_running_node_that_systemd_gave_the_master_key(
    settings, tmp_path, monkeypatch
):
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (settings.state_dir / "master.key").rename(credentials / "master-key")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    async with serving(settings):
        monkeypatch.delenv("CREDENTIALS_DIRECTORY")
        said = await asyncio.to_thread(doctor.check_master_key, settings)
    assert said == f"held by the running node, which read it from {credentials}/master-key"
    with pytest.raises(ConfigError, match="cannot be read"):
        doctor.check_master_key(settings)


async def test_doctor_misses_a_master_key_that_was_removed_under_a_running_node(settings):
    async with serving(settings):
        (settings.state_dir / "master.key").unlink()
        with pytest.raises(ConfigError, match="cannot be read"):
            await asyncio.to_thread(doctor.check_master_key, settings)


async def test_a_port_in_use_is_named_with_the_next_step(settings):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ssh = Settings(state_dir=settings.state_dir, ssh=SSHSettings(listen=(address,)))
        error = await why_not(ssh)
    assert isinstance(error, StartError)
    assert f"{address} is in use by another program" in str(error)
    assert "ssh.listen" in str(error)


async def test_a_metrics_port_in_use_is_named_too(settings):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        measured = Settings(
            state_dir=settings.state_dir, metrics=MetricsSettings(listen=listen)
        )
        error = await why_not(measured)
    assert isinstance(error, StartError)
    assert "metrics.listen" in str(error)


async def test_metrics_may_be_switched_off(settings):
    silent = msgspec.structs.replace(settings, metrics=MetricsSettings(listen=""))
    async with serving(silent) as node:
        assert node.operations is not None


async def test_an_address_of_another_machine_is_a_matter_of_settings(settings):
    elsewhere = SSHSettings(listen=("192.0.2.1:2222",))
    error = await why_not(Settings(state_dir=settings.state_dir, ssh=elsewhere))
    assert isinstance(error, ConfigError)
    assert "192.0.2.1:2222 is no address of this machine" in str(error)


async def test_without_init_the_next_step_is_init(tmp_path):
    error = await why_not(Settings(state_dir=tmp_path / "nowhere"))
    assert isinstance(error, ConfigError)
    assert "proxyd init" in str(error)


async def test_a_missing_host_key_is_named_and_made_by_init(settings):
    (settings.state_dir / "ssh_host_rsa_key").unlink()
    error = await why_not(settings)
    assert isinstance(error, ConfigError)
    assert "ssh_host_rsa_key is missing: run `proxyd init`" in str(error)
