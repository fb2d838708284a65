import pytest
from samples.rdp import NLAClient

from protocols.errors import RemoteProtocolError
from protocols.rdp.wire.spnego import NTLM, Init, Response, State


def test_an_offer_of_another_implementation_is_read():
    offer = Init.read(NLAClient("negotiate").context.step() or b"")
    assert NTLM in offer.mechanisms
    assert offer.mechanism_list.startswith(b"\x30")


def test_an_answer_is_read_as_it_was_written():
    answer = Response(state=State.ACCEPT_COMPLETED, mechanism=NTLM, token=b"t", mic=b"m")
    assert Response.read(answer.write()) == Response(token=b"t", mic=b"m")


@pytest.mark.parametrize("data", [b"", b"\x60\x00", b"\x60\x04\x06\x02ab", b"noise"])
def test_noise_is_refused(data: bytes):
    with pytest.raises(RemoteProtocolError):
        Init.read(data)
    with pytest.raises(RemoteProtocolError):
        Response.read(data)
