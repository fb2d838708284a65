import hashlib

import pytest
from samples.rdp import (
    PASSWORD,
    PUBLIC_KEY,
    REAL,
    USERNAME,
    NLAClient,
    challenge,
    proof_of,
    sent,
)

from protocols.errors import RemoteProtocolError, TargetUnreachableError
from protocols.rdp.credssp import (
    LOGON_FAILURE,
    CredSSPAcceptor,
    CredSSPInitiator,
    Delegated,
    _bindings,
)
from protocols.rdp.steps import Refused, Send
from protocols.rdp.wire import spnego as negotiation
from protocols.rdp.wire.ntlm import OFFERED
from protocols.rdp.wire.ts_request import PasswordCredentials, TSRequest

PROTOCOLS = ["ntlm", "negotiate"]


def to_the_proof(client: NLAClient, acceptor: CredSSPAcceptor, version: int) -> list:
    """Take both to the client's answer; key and token go in one message."""
    first = TSRequest(version=version, token=client.context.step())
    [step] = acceptor.receive(first.write())
    answer = TSRequest.read(sent([step]))
    token = client.context.step(answer.token)
    nonce = client.nonce if version >= 5 else None
    ours, _ = _bindings(version, PUBLIC_KEY, nonce)
    request = TSRequest(version=version, token=token, nonce=nonce)
    if client.context.complete:
        sealed = client.context.wrap(ours).data
        request = TSRequest(version=version, token=token, nonce=nonce, public_key_auth=sealed)
    return acceptor.receive(request.write())


@pytest.mark.parametrize("version", [2, 3, 4, 5, 6, 7])
def test_a_client_that_knows_the_password_hands_it_over(version: int):
    client, acceptor = NLAClient("ntlm"), CredSSPAcceptor(PUBLIC_KEY, challenge())
    [wanted] = to_the_proof(client, acceptor, version)
    key = proof_of(wanted)
    assert key is not None
    answer = TSRequest.read(sent(acceptor.proved(key)))
    _, theirs = _bindings(version, PUBLIC_KEY, client.nonce)
    assert client.context.unwrap(answer.public_key_auth).data == theirs
    given = PasswordCredentials(domain="HOME", username="somebody-else", password=PASSWORD)
    info = client.context.wrap(given.write()).data
    [delegated] = acceptor.receive(TSRequest(version=version, auth_info=info).write())
    assert delegated == Delegated(USERNAME, PASSWORD)
    assert PASSWORD not in repr(delegated)


def test_mstsc_wraps_ntlm_in_spnego_and_defers_its_key_a_leg():
    client, acceptor = NLAClient("negotiate"), CredSSPAcceptor(PUBLIC_KEY, challenge())
    [step] = acceptor.receive(TSRequest(token=client.context.step()).write())
    while True:
        token = client.context.step(TSRequest.read(sent([step])).token)
        [step] = acceptor.receive(TSRequest(token=token).write())
        if not isinstance(step, Send):
            break
    key = proof_of(step)
    assert key is not None
    answer = TSRequest.read(sent(acceptor.proved(key)))
    if not client.context.complete:
        client.context.step(answer.token)
    assert client.context.complete
    ours, theirs = _bindings(6, PUBLIC_KEY, client.nonce)
    sealed = client.context.wrap(ours).data
    request = TSRequest(public_key_auth=sealed, nonce=client.nonce)
    answer = TSRequest.read(sent(acceptor.receive(request.write())))
    assert client.context.unwrap(answer.public_key_auth).data == theirs


def test_a_wrong_password_proves_nothing_and_is_told_so():
    client = NLAClient("ntlm", "wrong")
    acceptor = CredSSPAcceptor(PUBLIC_KEY, challenge())
    [wanted] = to_the_proof(client, acceptor, 6)
    assert proof_of(wanted) is None
    steps = acceptor.unproved()
    assert isinstance(steps[-1], Refused)
    assert TSRequest.read(sent(steps)).error_code == LOGON_FAILURE


@pytest.mark.parametrize("version", [2, 5])
def test_a_client_of_a_version_without_error_codes_is_sent_none(version: int):
    acceptor = CredSSPAcceptor(PUBLIC_KEY, challenge())
    to_the_proof(NLAClient("ntlm", "wrong"), acceptor, version)
    assert acceptor.unproved() == [Refused("the login was refused")]


@pytest.mark.parametrize("version", [3, 4, 6, 7])
def test_every_other_client_is_sent_one(version: int):
    acceptor = CredSSPAcceptor(PUBLIC_KEY, challenge())
    to_the_proof(NLAClient("ntlm", "wrong"), acceptor, version)
    assert TSRequest.read(sent(acceptor.unproved())).error_code == LOGON_FAILURE


def test_a_client_that_sees_another_certificate_is_cut_off():
    client, acceptor = NLAClient("ntlm"), CredSSPAcceptor(b"\x30\x01other", challenge())
    [wanted] = to_the_proof(client, acceptor, 6)
    key = proof_of(wanted)
    assert key is not None
    with pytest.raises(RemoteProtocolError, match="another certificate"):
        acceptor.proved(key)


def test_an_altered_negotiation_fails_the_mic():
    client, acceptor = NLAClient("ntlm"), CredSSPAcceptor(PUBLIC_KEY, challenge())
    negotiate = bytearray(client.context.step() or b"")
    negotiate[12] ^= 0x04
    [step] = acceptor.receive(TSRequest(token=bytes(negotiate)).write())
    token = client.context.step(TSRequest.read(sent([step])).token)
    [wanted] = acceptor.receive(TSRequest(token=token).write())
    key = proof_of(wanted)
    assert key is not None
    with pytest.raises(RemoteProtocolError, match="altered"):
        acceptor.proved(key)


@pytest.mark.parametrize(
    "request_", [TSRequest(), TSRequest(auth_info=b"x"), TSRequest(token=b"noise")]
)
def test_a_message_out_of_its_turn_ends_the_login(request_: TSRequest):
    with pytest.raises(RemoteProtocolError):
        CredSSPAcceptor(PUBLIC_KEY, challenge()).receive(request_.write())


def test_kerberos_alone_is_refused():
    init = negotiation.Init.read
    kerberos = bytes.fromhex("2a864886f712010202")
    body = negotiation.ber.write(b"\x06", kerberos)
    listed = negotiation.ber.tagged(0, negotiation.ber.write(negotiation.ber.SEQUENCE, body))
    inner = negotiation.ber.tagged(0, negotiation.ber.write(negotiation.ber.SEQUENCE, listed))
    oid = negotiation.ber.write(b"\x06", bytes.fromhex("2b0601050502"))
    token = negotiation.ber.write(b"\x60", oid + inner)
    assert init(token).mechanisms == (kerberos,)
    with pytest.raises(RemoteProtocolError, match="NTLM"):
        CredSSPAcceptor(PUBLIC_KEY, challenge()).receive(TSRequest(token=token).write())


def test_the_initiator_logs_on_to_an_acceptor():
    acceptor = CredSSPAcceptor(PUBLIC_KEY, challenge())
    initiator = CredSSPInitiator(REAL, PUBLIC_KEY, "target")
    [step] = acceptor.receive(initiator.start())
    message, last = initiator.receive(sent([step]))
    assert not last
    [wanted] = acceptor.receive(message)
    key = proof_of(wanted, REAL.password)
    assert key is not None
    message, last = initiator.receive(sent(acceptor.proved(key)))
    assert last
    assert acceptor.receive(message) == [Delegated(REAL.username, REAL.password)]


def test_the_initiator_sends_no_password_to_whoever_has_another_key():
    acceptor = CredSSPAcceptor(PUBLIC_KEY, challenge())
    initiator = CredSSPInitiator(REAL, PUBLIC_KEY, "target")
    [step] = acceptor.receive(initiator.start())
    message, _ = initiator.receive(sent([step]))
    [wanted] = acceptor.receive(message)
    key = proof_of(wanted, REAL.password)
    assert key is not None
    answer = TSRequest.read(sent(acceptor.proved(key)))
    initiator._public_key = hashlib.sha256(b"of the certificate that came").digest()
    with pytest.raises(TargetUnreachableError, match="somebody stands between"):
        initiator.receive(answer.write())


def test_the_initiator_says_why_the_target_refuses():
    initiator = CredSSPInitiator(REAL, PUBLIC_KEY, "target")
    initiator.start()
    with pytest.raises(TargetUnreachableError, match="wrong user name or password"):
        initiator.receive(TSRequest(error_code=LOGON_FAILURE).write())
    with pytest.raises(TargetUnreachableError, match="0xc0000001"):
        initiator.receive(TSRequest(error_code=0xC0000001).write())


def truncated_pairs() -> bytes:
    """A challenge with a timestamp of one byte."""
    whole = challenge().write(OFFERED)
    return whole.replace(b"\x07\0\x08\0", b"\x07\0\x01\0")


@pytest.mark.parametrize(
    "token",
    [
        None,
        b"",
        b"NTLMSSP\0",
        b"no challenge at all",
        challenge().write(OFFERED)[:30],
        truncated_pairs(),
    ],
)
def test_a_target_that_challenges_with_noise_breaks_nothing_of_ours(token: bytes | None):
    initiator = CredSSPInitiator(REAL, PUBLIC_KEY, "target")
    initiator.start()
    with pytest.raises(RemoteProtocolError, match=r"NTLM|without a token"):
        initiator.receive(TSRequest(token=token).write())


@pytest.mark.parametrize("sealed", [b"", b"noise", bytes(16), bytes(64)])
def test_a_target_that_seals_noise_is_sent_no_password(sealed: bytes):
    initiator = CredSSPInitiator(REAL, PUBLIC_KEY, "target")
    initiator.start()
    initiator.receive(TSRequest(token=challenge().write(OFFERED)).write())
    with pytest.raises(RemoteProtocolError, match="NTLM"):
        initiator.receive(TSRequest(public_key_auth=sealed).write())
