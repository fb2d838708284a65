"""The bus over RabbitMQ, for what is tested on a real broker."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from peers.rabbitmq import VirtualHost
from samples.buses import OnBroker


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
