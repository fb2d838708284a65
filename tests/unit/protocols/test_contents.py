import hashlib

from protocols.contents import Stream


def test_what_comes_in_order_has_a_digest():
    stream = Stream()
    for offset, piece in ((0, b"abc"), (3, b"de")):
        stream.at(offset)(memoryview(piece))
    assert (stream.size_bytes, stream.digest()) == (5, hashlib.sha256(b"abcde").digest())


def test_what_comes_out_of_order_is_counted_and_has_none():
    stream = Stream()
    for offset, piece in ((3, b"de"), (0, b"abc")):
        stream.at(offset)(memoryview(piece))
    assert (stream.size_bytes, stream.digest()) == (5, b"")
