import pytest
from samples.rdp import ScriptedTarget, accepted_client, connected
from samples.relayed import Sink

from protocols.rdp.relay import Relay


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def relay(sink: Sink) -> Relay:
    client = accepted_client()
    _, side = connected(client, ScriptedTarget(), "cliprdr")
    return Relay(client, side, sink)
