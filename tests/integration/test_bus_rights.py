"""What a broker lets the users of nodes do, and by which certificates they know each other."""

import asyncio
import secrets
import shlex
from collections.abc import Callable
from pathlib import Path

import pika
import pika.exceptions
import pytest
from peers.certificates import Authority
from peers.rabbitmq import PASSWORD, USER, VirtualHost
from samples.buses import (
    FIRST,
    READY,
    SITE,
    OnBroker,
    answered,
    receipt,
    up,
    working,
)
from samples.chunks import SESSION
from samples.recordings import until

from bus import topology
from bus.amqp import parameters
from bus.contract import Done
from bus.policy import engine_policy, worker_policy
from bus.rabbitmq import EngineAddress, RabbitEngineBus
from config.model import BusSettings
from config.redacted import Redacted


async def apply(vhost: VirtualHost, lines: list[str]) -> None:
    """Run what the policy prints; the password is the tests'."""
    for line in lines:
        words = shlex.split(line, comments=True)
        if words[:2] == ["rabbitmqctl", "add_user"]:
            words.append(PASSWORD)
        if words:
            await asyncio.to_thread(vhost.broker.ctl, *words[1:])


async def test_an_engine_s_user_can_do_its_work_and_nothing_else(bus: OnBroker):
    vhost, user = bus.vhost, f"engine-3-{secrets.token_hex(3)}"
    await apply(vhost, engine_policy(vhost.name, user, SITE, "engine-3"))
    bus.control.answer(answered)
    ours = vhost.parameters(user)
    address = EngineAddress(site=SITE, engine_id="engine-3")
    async with (
        working(bus, receipt),
        RabbitEngineBus(ours, bus.keys.identity("engine-3"), address, 20) as engine,
    ):
        await up(engine)
        assert await engine.request(READY) == Done()
        assert await engine.ship(FIRST) == receipt(FIRST)
        await engine.reach_storage()
        feed = bus.control.watch(SESSION)
        engine.publish_live(SESSION, b"shown")
        async with asyncio.timeout(60):
            assert await feed.get() == b"shown"
    forbidden = {
        "read another engine's commands": lambda channel: channel.basic_get(
            topology.engine_commands("engine-2").name
        ),
        "read its site's chunks": lambda channel: channel.basic_get(
            topology.site_chunks(SITE).name
        ),
        "listen to all live feeds": lambda channel: channel.queue_bind(
            topology.engine_replies("engine-3").name, topology.LIVE, "#"
        ),
        "make a queue of its own": lambda channel: channel.queue_declare("mine"),
        "empty a queue": lambda channel: channel.queue_purge(topology.site_chunks(SITE).name),
        "send a chunk as another engine": lambda channel: channel.basic_publish(
            topology.CHUNKS, f"{SITE}.engine-2", b"forged"
        ),
        "send a chunk for another site": lambda channel: channel.basic_publish(
            topology.CHUNKS, "elsewhere.engine-3", b"forged"
        ),
        "write into another engine's queue": lambda channel: channel.basic_publish(
            "", topology.engine_replies("engine-2").name, b"forged"
        ),
    }
    allowed = [
        what
        for what, act in forbidden.items()
        if not await asyncio.to_thread(denied, ours, act)
    ]
    assert allowed == []


def denied(parameters: pika.ConnectionParameters, act: Callable[..., object]) -> bool:
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        try:
            channel.confirm_delivery()
            act(channel)
        except pika.exceptions.ChannelClosedByBroker as error:
            return bool(error.reply_code == 403)
        return False


async def test_a_worker_s_user_can_do_its_work(bus: OnBroker):
    vhost, user = bus.vhost, f"worker-{secrets.token_hex(3)}"
    await apply(vhost, worker_policy(vhost.name, user))
    async with working(bus, receipt, user=user):
        assert await bus.engine().ship(FIRST) == receipt(FIRST)
        await bus.engine().reach_storage()


async def over_tls(bus: OnBroker, **files: Path) -> RabbitEngineBus:
    """A third engine, on the broker's TLS port."""
    url = f"amqps://{USER}@127.0.0.1:{bus.vhost.broker.tls_port}/{bus.vhost.name}"
    broker = parameters(BusSettings(url=url, **files), Redacted(PASSWORD), "engine-3")
    address = EngineAddress(site=SITE, engine_id="engine-3")
    return RabbitEngineBus(broker, bus.keys.identity("engine-3"), address, 20)


async def test_over_tls_both_ends_show_a_certificate(bus: OnBroker, tmp_path: Path):
    authority = bus.vhost.broker.authority
    ours = authority.sign("engine-3")
    ours.key.chmod(0o600)
    bus.control.answer(answered)
    files = {"certificate_file": ours.certificate, "key_file": ours.key}
    async with await over_tls(bus, ca_file=authority.file, **files) as engine:
        await up(engine)
        assert await engine.request(READY) == Done()


async def test_over_tls_a_stranger_s_broker_is_not_spoken_to_nor_we_without_certificate(
    bus: OnBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    authority, stranger = bus.vhost.broker.authority, Authority(tmp_path, "stranger")
    said = [""]

    def is_told() -> bool:
        said[0] += capsys.readouterr().out
        return "CERTIFICATE_VERIFY_FAILED" in said[0]

    for trusted in (stranger, authority):
        async with await over_tls(bus, ca_file=trusted.file) as engine:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await engine.wires.wait_up()
            await until(is_told)
