"""A client that shares no code with FreeRDP, nor with us: aardwolf's handshake with NLA."""

import asyncio

import pytest
from aardwolf.commons.factory import RDPConnectionFactory
from aardwolf.commons.iosettings import RDPIOSettings
from peers.daemon import Daemon, MakeDaemon
from peers.freerdp import RDPLogin, Shadow, rdp_login

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon, shadow_server: Shadow) -> Daemon:
    daemon = make_daemon(rdp=True, PROXYD_RDP__SOURCE_PENALTIES="false")
    where = ("--port", str(shadow_server.port), "--username", shadow_server.username)
    daemon.add_target(
        *("shadow", *where, "--password-stdin"),
        typed=shadow_server.password + "\n",
        protocol="rdp",
    )
    return daemon


async def connected(login: RDPLogin, password: str) -> tuple[object, Exception | None]:
    """What aardwolf says of its handshake."""
    url = f"rdp+ntlm-password://{login.username}:{password}@127.0.0.1:{login.daemon.rdp_port}"
    connection = RDPConnectionFactory.from_url(url, RDPIOSettings()).get_connection(
        RDPIOSettings()
    )
    try:
        async with asyncio.timeout(45):
            return await connection.connect()
    finally:
        await connection.terminate()


async def test_another_client_logs_in_with_the_generated_pair(daemon: Daemon) -> None:
    login = await asyncio.to_thread(rdp_login, daemon, "shadow")
    done, error = await connected(login, login.password)
    assert done is True, error
    recording = await asyncio.to_thread(daemon.recorded)
    assert recording.row["protocol"] == "rdp"
    assert [event["width_px"] for event in recording.events("desktop_started")]


async def test_another_client_is_refused_with_another_password(daemon: Daemon) -> None:
    login = await asyncio.to_thread(rdp_login, daemon, "shadow")
    done, error = await connected(login, "N0t-The-Password-Of-Anybody")
    assert done is not True
    assert error is not None
