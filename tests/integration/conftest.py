"""The bus over RabbitMQ, for what is tested on a real broker."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from importlib.util import find_spec

import pytest
from peers.rabbitmq import VirtualHost
from samples.buses import OnBroker

# What is not installed has nothing to test: `script/bootstrap kerberos` builds this extra.
collect_ignore = [] if find_spec("gssapi") and find_spec("krb5") else ["test_rdp_kerberos.py"]


@pytest.fixture
def limit_s() -> float:
    """How long an answer is waited for: what is to be answered is so on a busy machine too."""
    return 20


@pytest.fixture
async def bus(vhost: VirtualHost, limit_s: float) -> AsyncIterator[OnBroker]:
    """Two engines and control on a virtual host of their own."""
    async with AsyncExitStack() as stack:
        broker = OnBroker(vhost, stack, limit_s)
        await broker.start()
        yield broker
