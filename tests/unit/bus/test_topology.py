from uuid import UUID

import pytest

from bus import topology


def test_an_engine_s_messages_go_to_the_queues_of_its_site():
    key = topology.engine_key("dmz", "engine-1")
    assert topology.engine_of(key) == "engine-1"
    for queue in (topology.site_requests("dmz"), *topology.storage_queues("dmz")):
        assert queue.name.startswith("proxyd.site.dmz.")
        assert all(bound.startswith("dmz") for _, bound in queue.bindings)


@pytest.mark.parametrize("word", ["", "a.b", "*", "#", "with space", "x" * 65])
def test_a_name_that_would_change_a_routing_key_is_refused(word):
    with pytest.raises(ValueError, match="cannot be used on the bus"):
        topology.check_word("the site", word)
    topology.check_word("the site", "dmz-1_a")


def test_every_queue_has_a_bound():
    queues = [
        topology.site_requests("dmz"),
        *topology.storage_queues("dmz"),
        topology.engine_replies("engine-1"),
        topology.engine_commands("engine-1"),
        topology.node_queue("control-1", "a", live=True),
    ]
    for queue in queues:
        assert {"x-max-length", "x-max-length-bytes"} & set(queue.arguments), queue.name


def test_chunks_are_never_thrown_away_by_the_broker():
    dead, chunks, _ = topology.storage_queues("dmz")
    for queue in (dead, chunks):
        assert queue.arguments["x-queue-type"] == "quorum"
        assert queue.arguments["x-overflow"] == "reject-publish"
    assert chunks.arguments["x-dead-letter-exchange"] == topology.DEAD
    assert chunks.arguments["x-dead-letter-strategy"] == "at-least-once"
    assert (topology.DEAD, chunks.arguments["x-dead-letter-routing-key"]) in dead.bindings


def test_a_worker_gives_a_chunk_up_before_the_broker_does():
    limit = topology.site_chunks("dmz").arguments["x-delivery-limit"]
    assert isinstance(limit, int)
    assert limit > topology.TRIES


def test_a_live_feed_is_named_by_its_routing_key():
    feed_id = UUID(int=7)
    key = topology.feed_key(topology.engine_key("dmz", "engine-1"), feed_id)
    assert topology.feed_of(key) == feed_id
    assert topology.engine_of(key) == "engine-1"
    with pytest.raises(ValueError, match="UUID"):
        topology.feed_of("dmz.engine-1")
