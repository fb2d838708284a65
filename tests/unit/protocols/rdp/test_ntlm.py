import pytest
from samples.rdp import NLAClient, challenge, proof_of

from protocols.errors import RemoteProtocolError
from protocols.rdp.ntlm import NTLMAcceptor, SealedSession
from protocols.rdp.steps import ProofWanted
from protocols.rdp.wire.ntlm import OFFERED


def authenticated() -> tuple[NLAClient, NTLMAcceptor, SealedSession]:
    client, acceptor = NLAClient("ntlm"), NTLMAcceptor(challenge())
    token = client.context.step(acceptor.challenge(client.context.step() or b""))
    attempt = acceptor.attempt(token or b"")
    assert "4nwfvf2nzjs8a" not in repr(attempt)
    key = proof_of(ProofWanted(attempt))
    assert key is not None
    return client, acceptor, acceptor.proved(key)


def test_messages_cross_sealed_both_ways():
    client, _, session = authenticated()
    for text in (b"first", b"second" * 100):
        assert session.open(client.context.wrap(text).data) == text
        assert client.context.unwrap(session.seal(text)).data == text


def test_an_altered_message_is_refused():
    client, _, session = authenticated()
    sealed = bytearray(client.context.wrap(b"message").data)
    sealed[-1] ^= 1
    with pytest.raises(RemoteProtocolError, match="altered"):
        session.open(bytes(sealed))
    with pytest.raises(RemoteProtocolError, match="without its signature"):
        session.open(b"short")


def test_messages_out_of_their_turn_are_refused():
    client, acceptor = NLAClient("ntlm"), NTLMAcceptor(challenge())
    with pytest.raises(RemoteProtocolError, match="turn"):
        acceptor.proved(bytes(16))
    client.context.step()
    token = client.context.step(challenge().write(OFFERED)) or b""
    with pytest.raises(RemoteProtocolError):
        acceptor.attempt(token)


def test_a_second_answer_is_refused():
    client, acceptor = NLAClient("ntlm"), NTLMAcceptor(challenge())
    token = client.context.step(acceptor.challenge(client.context.step() or b"")) or b""
    acceptor.attempt(token)
    with pytest.raises(RemoteProtocolError, match="turn"):
        acceptor.attempt(token)
