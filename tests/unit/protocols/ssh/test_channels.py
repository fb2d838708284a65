import hashlib

from hypothesis import given
from hypothesis import strategies as st

from protocols.ssh.channels import Capture, Channel
from protocols.ssh.sftp_ledger import SFTPLedger
from recorder.events import CaptureTruncated, ChannelClosed, ClientData, Stream, TargetData


@given(st.lists(st.binary(min_size=1, max_size=50)), st.integers(1, 200))
def test_a_capture_keeps_exactly_its_limit_and_digests_everything(pieces, limit):
    capture, events = Capture(0, Stream.TARGET, limit), []
    for piece in pieces:
        capture.digest(piece)
        events += capture.keep(0, piece)
    whole = b"".join(pieces)
    kept = b"".join(event.data for event in events if isinstance(event, TargetData))
    assert kept == whole[:limit]
    assert any(isinstance(event, CaptureTruncated) for event in events) == (len(whole) > limit)
    for digested in capture.close(0):
        assert (digested.size_bytes, digested.sha256) == (
            len(whole),
            hashlib.sha256(whole).digest(),
        )


def test_a_stream_that_carried_nothing_has_no_digest():
    assert Capture(0, Stream.TARGET, None).close(0) == []


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 100))))
def test_the_target_is_never_granted_room_that_we_used(steps):
    channel = Channel(0, "session", (1, 2))
    channel.packet_bytes, granted, taken, offered = 32768, 0, 0, 0
    for ours, size in steps:
        if ours:
            taken += len(channel.spend(bytes(size)))
        else:
            offered += size
            granted += channel.grant(size)
    assert granted + taken <= offered + channel.debt_bytes
    assert channel.room_bytes == offered - taken
    assert channel.room_bytes >= 0


def test_a_channel_ends_with_its_close():
    assert Channel(4, "session", (1, 2)).close(9) == [ChannelClosed(at_ms=9, channel=4)]


def test_what_files_hold_is_kept_up_to_a_limit_of_its_own():
    for limit_bytes, kept in ((0, b""), (3, b"abc"), (None, b"abcde")):
        channel = Channel(0, "session", (1, 2), limit_bytes)
        channel.ledger = SFTPLedger()
        capture = channel.capture(Stream.CLIENT, 5)
        capture.digest(b"abcdef")
        events = capture.keep(0, b"abcdef")
        assert b"".join(each.data for each in events if isinstance(each, ClientData)) == kept
        assert isinstance(events[-1], CaptureTruncated)
    other = Channel(0, "session", (1, 2), 0).capture(Stream.CLIENT, 5)
    assert other.keep(0, b"abc") == [ClientData(at_ms=0, channel=0, data=b"abc")]
