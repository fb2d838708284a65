import re
import shlex

import pytest

from bus import topology
from bus.policy import control_policy, engine_policy, worker_policy

LINES = engine_policy("prod", "dmz-1", "dmz", "engine-1a2b")
CONFIGURE, WRITE, READ = shlex.split(LINES[2])[-3:]


def test_every_line_is_one_that_can_be_pasted():
    for line in LINES[1:]:
        assert shlex.split(line)[0] == "rabbitmqctl"
    assert "'^proxyd" in LINES[2]


@pytest.mark.parametrize("queue", [topology.engine_replies, topology.engine_commands])
def test_an_engine_hears_what_is_for_it_and_no_other_with_a_like_name(queue):
    assert re.search(READ, queue("engine-1a2b").name)
    for stranger in ("engine-1a2c", "engine-1a2b2", "xengine-1a2b"):
        assert not re.search(READ, queue(stranger).name)
        assert not re.search(CONFIGURE, queue(stranger).name)


def test_an_engine_writes_to_exchanges_and_never_to_a_queue():
    for exchange in ("amq.default", "amq.topic", topology.DEAD, "proxyd.engine.x.commands"):
        assert not re.search(WRITE, exchange)
    for exchange in (topology.REQUESTS, topology.CHUNKS, topology.PINGS, topology.RESULTS):
        assert re.search(WRITE, exchange)


def test_every_topic_that_an_engine_writes_to_is_bound_to_its_own_key():
    topics = [shlex.split(line) for line in LINES if "set_topic_permissions" in line]
    bound = {words[5]: words[6] for words in topics}
    written = {one.name for one in topology.EXCHANGES if one.kind == "topic"}
    assert set(bound) == written
    key = topology.engine_key("dmz", "engine-1a2b")
    for exchange, pattern in bound.items():
        said = (
            f"{key}.{'0' * 8}-0000-0000-0000-{'0' * 12}" if exchange == topology.LIVE else key
        )
        assert re.search(pattern, said)
        assert not re.search(pattern, said.replace("dmz", "hq"))
        assert not re.search(pattern, said.replace("1a2b", "1a2c"))


def test_a_worker_hears_no_requests_and_control_no_chunks():
    worker, control = (
        shlex.split(made("/", "u")[2])[-1] for made in (worker_policy, control_policy)
    )
    assert re.search(worker, topology.site_chunks("dmz").name)
    assert not re.search(worker, topology.site_requests("dmz").name)
    assert re.search(control, topology.site_requests("dmz").name)
    assert not re.search(control, topology.site_chunks("dmz").name)
    assert re.search(control, topology.site_dead("dmz").name)


def test_a_name_that_would_widen_a_pattern_is_refused():
    with pytest.raises(ValueError, match="cannot be used"):
        engine_policy("/", "u", "dmz", "engine-.*")
