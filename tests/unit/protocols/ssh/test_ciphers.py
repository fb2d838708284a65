"""Packets in and out of a stream, however it is cut."""

from itertools import pairwise

import pytest
from asyncssh import MACError
from asyncssh.encryption import get_encryption, get_encryption_params
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import RemoteProtocolError
from protocols.ssh.ciphers import PacketGCM, PacketOpener
from protocols.ssh.packets import MAX_IGNORED_BYTES, body_of, channel_data, payload_of

KEY, IV = bytes(range(32)), bytes(range(12))
PAYLOADS = st.lists(
    st.binary(min_size=1, max_size=400).map(lambda data: b"\x5e" + data), min_size=1
)


def cut(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(at % (len(stream) + 1) for at in cuts), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


@given(PAYLOADS, st.lists(st.integers(0, 100_000)))
def test_gcm_packets_survive_any_fragmentation(payloads: list[bytes], cuts: list[int]):
    sealer, opener = PacketGCM(KEY[:16], IV), PacketGCM(KEY[:16], IV)
    stream, _ = sealer.seal_burst([body_of(payload) for payload in payloads])
    held, bodies = b"", []
    for piece in cut(stream, cuts):
        held += piece
        used, special = opener.open_burst(memoryview(held), bodies)
        held = held[used:]
        assert special is None
    assert held == b""
    assert [payload_of(body) for body in bodies] == payloads


@given(PAYLOADS, st.lists(st.integers(0, 100_000)), st.integers(0, 100_000))
def test_a_packet_that_is_not_whole_yet_may_be_held_apart(payloads, cuts, held_first: int):
    sealer, opener = PacketGCM(KEY[:16], IV), PacketGCM(KEY[:16], IV)
    stream, _ = sealer.seal_burst([body_of(payload) for payload in payloads])
    first = held_first % (len(stream) + 1)
    held, bodies = stream[:first], []
    for piece in cut(stream[first:], cuts):
        used, special = opener.open_burst(piece, bodies, held)
        assert special is None
        held = (held + piece)[used:]
    assert held == b""
    assert [payload_of(body) for body in bodies] == payloads


def test_a_packet_of_another_layer_stops_the_burst_when_its_beginning_was_held():
    sealer, opener = PacketGCM(KEY[:16], IV), PacketGCM(KEY[:16], IV)
    newkeys, after = body_of(b"\x15"), body_of(channel_data(0, b"x"))
    stream, _ = sealer.seal_burst([newkeys, after])
    bodies: list[bytes] = []
    used, special = opener.open_burst(stream[7:], bodies, stream[:7])
    assert (bodies, special) == ([], newkeys)
    assert opener.open_burst(stream[used:], bodies) == (len(stream) - used, None)
    assert bodies == [after]


@pytest.mark.parametrize(
    "name",
    ["aes256-ctr", "aes128-ctr", "chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com"],
)
@settings(max_examples=30)
@given(payloads=PAYLOADS, cuts=st.lists(st.integers(0, 100_000)))
def test_packets_of_other_ciphers_survive_any_fragmentation(name, payloads, cuts):
    mac = b"hmac-sha2-256-etm@openssh.com"
    key_bytes, iv_bytes, block, mac_key, mac_bytes, etm = get_encryption_params(
        name.encode(), mac
    )
    block = max(8, block)
    made = [
        get_encryption(
            name.encode(), bytes(key_bytes), bytes(iv_bytes), mac, bytes(mac_key), etm
        )
        for _ in range(2)
    ]
    stream = b"".join(
        seal(made[0], number, p, block, etm=etm) for number, p in enumerate(payloads)
    )
    opener, held, bodies = PacketOpener(made[1], block, mac_bytes), b"", []
    for piece in cut(stream, cuts):
        held += piece
        burst: list[bytes] = []
        used, special = opener.open_burst(held, len(bodies), burst)
        bodies += burst
        held = held[used:]
        assert special is None
    assert [payload_of(body) for body in bodies] == payloads


def seal(cipher, sequence: int, payload: bytes, block: int, *, etm: bool) -> bytes:
    padding = -((1 if etm else 5) + len(payload)) % block
    padding += block if padding < 4 else 0
    body = bytes((padding,)) + payload + bytes(padding)
    sealed, mac = cipher.encrypt_packet(sequence, len(body).to_bytes(4, "big"), body)
    return sealed + mac


def test_a_packet_of_another_layer_stops_the_burst():
    sealer, opener = PacketGCM(KEY[:16], IV), PacketGCM(KEY[:16], IV)
    newkeys, after = body_of(b"\x15"), body_of(channel_data(0, b"x"))
    stream, _ = sealer.seal_burst([after, newkeys, after])
    bodies: list[bytes] = []
    used, special = opener.open_burst(memoryview(stream), bodies)
    assert (bodies, special) == ([after], newkeys)
    assert 0 < used < len(stream)


@given(st.integers(0, 10_000))
def test_a_flipped_bit_is_found(at: int):
    sealer, opener = PacketGCM(KEY[:16], IV), PacketGCM(KEY[:16], IV)
    stream, _ = sealer.seal_burst([body_of(channel_data(0, b"x" * 50))])
    altered = bytearray(stream)
    # The length is authenticated too, but a longer packet is merely waited for.
    place = 4 * 8 + at % (8 * (len(stream) - 4))
    altered[place // 8] ^= 1 << place % 8
    with pytest.raises(MACError):
        opener.open_burst(memoryview(bytes(altered)), [])


def test_a_body_padded_for_another_cipher_is_padded_anew():
    sealer, opener = PacketGCM(KEY[:16], IV), PacketGCM(KEY[:16], IV)
    payload = channel_data(0, b"odd")
    odd = bytes((7,)) + payload + bytes(7)
    assert len(odd) % 16
    stream, _ = sealer.seal_burst([odd])
    bodies: list[bytes] = []
    opener.open_burst(memoryview(stream), bodies)
    assert payload_of(bodies[0]) == payload


def test_an_endless_packet_is_refused_by_its_length():
    length = (MAX_IGNORED_BYTES + 1).to_bytes(4, "big")
    with pytest.raises(RemoteProtocolError, match="over the limit"):
        PacketGCM(KEY[:16], IV).open_burst(memoryview(length + bytes(60)), [])


def test_a_data_packet_over_the_limit_is_refused_though_an_ignored_one_is_not():
    sealer, opener = PacketGCM(KEY[:16], IV), PacketGCM(KEY[:16], IV)
    stream, _ = sealer.seal_burst(
        [body_of(b"\x02" + bytes(300_000)), body_of(b"\x5e" + bytes(300_000))]
    )
    used, special = opener.open_burst(memoryview(stream), [])
    assert special is not None
    with pytest.raises(RemoteProtocolError, match="over the limit"):
        opener.open_burst(memoryview(stream[used:]), [])
