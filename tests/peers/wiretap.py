"""Somebody who sits at the broker: sees everything that crosses it, and says it again."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pika
from peers.needed import wait_until
from peers.rabbitmq import VirtualHost

_TRACE: Final = "amq.rabbitmq.trace"


@dataclass(frozen=True)
class Seen:
    """A message as it was published."""

    exchange: str
    key: str
    properties: dict[str, Any]
    body: bytes


class Wiretap:
    """RabbitMQ's own trace of a virtual host."""

    def __init__(self, vhost: VirtualHost) -> None:
        self._vhost = vhost
        self._lock = threading.Lock()
        self._seen: list[Seen] = []
        self._over = threading.Event()
        self._listening = threading.Event()

    def everything(self) -> list[Seen]:
        with self._lock:
            return list(self._seen)

    def wait_for(self, word: str, count: int = 1) -> list[Seen]:
        """What was published to an exchange or queue with this word in its name."""

        def found() -> list[Seen]:
            return [m for m in self.everything() if word in m.exchange or word in m.key]

        wait_until(lambda: len(found()) >= count, f"no {word} crossed the broker")
        return found()

    def said(self, word: str) -> list[Seen]:
        """All that was published so far with this word in its exchange's or queue's name."""
        mark = secrets.token_hex(8)
        with pika.BlockingConnection(self._vhost.parameters()) as connection:
            connection.channel().basic_publish("", mark, b"")
        # The broker tells in its order: what was published before the mark has been told.
        self.wait_for(mark)
        return self.wait_for(word, 0)

    def say_again(self, message: Seen, *, body: bytes | None = None) -> None:
        """Publish it once more, or with another body."""
        kept = ("type", "correlation_id", "reply_to")
        known = {name: message.properties[name] for name in kept if name in message.properties}
        with pika.BlockingConnection(self._vhost.parameters()) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.basic_publish(
                message.exchange,
                message.key,
                message.body if body is None else body,
                pika.BasicProperties(**known),
                mandatory=True,
            )

    def _listen(self) -> None:
        with pika.BlockingConnection(self._vhost.parameters()) as connection:
            channel = connection.channel()
            queue = channel.queue_declare("", exclusive=True).method.queue
            channel.queue_bind(queue, _TRACE, "publish.#")
            self._listening.set()
            for method, properties, body in channel.consume(
                queue, auto_ack=True, inactivity_timeout=0.1
            ):
                if self._over.is_set():
                    return
                if method is not None:
                    self._note(properties, body)

    def _note(self, properties: pika.BasicProperties, body: bytes) -> None:
        headers = properties.headers or {}
        seen = Seen(
            exchange=headers["exchange_name"],
            key=headers["routing_keys"][0],
            properties=headers["properties"],
            body=body,
        )
        with self._lock:
            self._seen.append(seen)


@contextmanager
def wiretap(vhost: VirtualHost) -> Iterator[Wiretap]:
    """Listen in while entered."""
    tap = Wiretap(vhost)
    vhost.broker.ctl("trace_on", "-p", vhost.name)
    thread = threading.Thread(target=tap._listen)
    thread.start()
    try:
        assert tap._listening.wait(30)
        yield tap
    finally:
        tap._over.set()
        thread.join(10)
