"""What came behind a command that waits."""

import pytest
from samples.ssh_packets import TARGET_NUMBER, eof, execute

from bus.command_rules import CommandRule, RuleAction
from protocols.errors import RemoteProtocolError
from protocols.ssh.commands.guard import HELD_LIMIT_BYTES
from protocols.ssh.commands.rules import Found
from protocols.ssh.commands.waiting import Waiting, cut
from protocols.ssh.packets import ChannelRequest, body_of, channel_data, payload_of

RULE = CommandRule(name="ask", pattern="restart", action=RuleAction.HOLD)


@pytest.fixture
def waiting() -> Waiting:
    request = ChannelRequest.read(execute("restart"))
    return Waiting(Found(RuleAction.HOLD, (RULE,), "restart"), request)


def sent(data: bytes) -> bytes:
    return body_of(channel_data(TARGET_NUMBER, data))


def test_it_comes_back_in_order_and_once(waiting: Waiting):
    end = body_of(eof(TARGET_NUMBER))
    for body in (sent(b"a"), sent(b"b"), end, sent(b"c")):
        waiting.keep(body)
    assert waiting.take() == [sent(b"ab"), end, sent(b"c")]
    assert waiting.take() == []


def test_there_is_an_end_to_it(waiting: Waiting):
    waiting.keep(sent(bytes(HELD_LIMIT_BYTES)))
    with pytest.raises(RemoteProtocolError):
        waiting.keep(body_of(eof(TARGET_NUMBER)))


def test_a_packet_that_is_none_is_not_kept(waiting: Waiting):
    with pytest.raises(RemoteProtocolError):
        waiting.keep(body_of(channel_data(TARGET_NUMBER, b"abc")[:-1]))


def test_much_is_cut_into_packets_that_everybody_takes():
    bodies = cut(TARGET_NUMBER, bytes(40_000))
    assert [len(payload_of(body)) - 9 for body in bodies] == [16_384, 16_384, 7_232]
