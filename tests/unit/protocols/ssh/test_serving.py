import subprocess
import sys

import asyncssh.connection
import pytest
from structlog.testing import capture_logs

from config.model import RelayKind, SSHSettings
from protocols.ssh.channel_wiring import ChannelWiring
from protocols.ssh.packet_wiring import PacketWiring
from protocols.ssh.serving import chosen


@pytest.mark.parametrize("kind", [RelayKind.AUTO, RelayKind.PACKET])
def test_the_packet_relay_serves_where_it_can(kind: RelayKind):
    assert isinstance(chosen(SSHSettings(relay=kind)), PacketWiring)


def test_the_channel_relay_can_be_forced():
    assert isinstance(chosen(SSHSettings(relay=RelayKind.CHANNEL)), ChannelWiring)


def test_a_new_asyncssh_makes_auto_fall_back_and_say_why(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(asyncssh.connection.SSHConnection, "_recv_pkthdr")
    with capture_logs() as logged:
        assert isinstance(chosen(SSHSettings()), ChannelWiring)
    (line,) = logged
    assert (line["event"], line["relay"]) == ("relay.fallback", "channel")
    assert "_recv_pkthdr" in line["reason"]


def test_a_packet_relay_that_was_demanded_and_cannot_work_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.delattr(asyncssh.connection.SSHConnection, "_recv_pkthdr")
    with pytest.raises(ImportError, match="_recv_pkthdr"):
        chosen(SSHSettings(relay=RelayKind.PACKET))


def test_the_channel_relay_never_loads_the_module_with_the_private_names():
    program = (
        "import sys, protocols.ssh.gateway, protocols.ssh.channel_wiring\n"
        "sys.exit('protocols.ssh.transport' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
