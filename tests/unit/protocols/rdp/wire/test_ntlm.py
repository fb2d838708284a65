import datetime as dt

import pytest
from samples.rdp import NLAClient, challenge

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire.ntlm import NEEDED, Authenticate, Flag, file_time, read_negotiate


def answered() -> tuple[bytes, bytes]:
    """What pyspnego sends."""
    client = NLAClient("ntlm")
    negotiate = client.context.step() or b""
    token = client.context.step(challenge().write(read_negotiate(negotiate)))
    return negotiate, token or b""


def test_another_implementation_reads_our_challenge_and_sends_a_mic():
    _, token = answered()
    read = Authenticate.read(token)
    assert (read.domain, read.username) == ("HOME", "4nwfvf2nzjs8a")
    assert read.flags & NEEDED == NEEDED
    assert read.mic is not None
    assert len(read.without_mic) == len(token)
    assert "4nwfvf2nzjs8a" not in repr(read)


def test_protection_is_not_optional():
    _, token = answered()
    weak = bytearray(token)
    weak[60:64] = (int.from_bytes(token[60:64], "little") & ~Flag.SEAL).to_bytes(4, "little")
    with pytest.raises(RemoteProtocolError, match="without what protects"):
        Authenticate.read(bytes(weak))


def test_version_1_is_refused():
    _, token = answered()
    old = bytearray(token)
    old[20:22] = (24).to_bytes(2, "little")
    with pytest.raises(RemoteProtocolError, match="before 2"):
        Authenticate.read(bytes(old))


def test_no_cut_of_a_message_does_more_than_refuse_it():
    negotiate, token = answered()
    for size in range(len(token)):
        with pytest.raises(RemoteProtocolError):
            Authenticate.read(token[:size])
    for size in range(16):
        with pytest.raises(RemoteProtocolError):
            read_negotiate(negotiate[:size])


def test_a_message_that_is_too_long_is_refused():
    with pytest.raises(RemoteProtocolError, match="too long"):
        read_negotiate(bytes(20000))
    with pytest.raises(RemoteProtocolError, match="too long"):
        Authenticate.read(bytes(20000))


def test_file_time_counts_tenths_of_microseconds_since_1601():
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    assert file_time(epoch) == 116_444_736_000_000_000
    assert file_time(epoch + dt.timedelta(microseconds=3)) - file_time(epoch) == 30
