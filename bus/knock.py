"""Asks the broker to let us in, and leaves again: what `proxyd doctor` wants to know."""

import contextlib

import pika.exceptions
from pika.adapters.blocking_connection import BlockingConnection

from bus.amqp import Broker
from bus.errors import BusUnavailableError
from bus.link import said


def knock(broker: Broker) -> None:
    """Return where the broker took our login; raise `BusUnavailableError`. Blocking."""
    try:
        with contextlib.closing(BlockingConnection(broker)):
            return
    except (pika.exceptions.AMQPError, OSError) as error:
        raise BusUnavailableError(
            f"the broker at {broker.host}:{broker.port} cannot be used: {said(error)}"
        ) from error
