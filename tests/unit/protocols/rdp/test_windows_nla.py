"""NLA as Windows does it where it differs from FreeRDP: Kerberos offered first, older versions.

The NTLM inside is pyspnego's, the SPNEGO around it is written here by RFC 4178.
"""

import pytest
import spnego
from msgspec import structs
from samples.rdp import PASSWORD, PUBLIC_KEY, REAL, USERNAME, challenge, proof_of, sent

from protocols.errors import RemoteProtocolError, TargetUnreachableError
from protocols.rdp.credssp import CredSSPAcceptor, CredSSPInitiator, Delegated, _bindings
from protocols.rdp.wire.ts_request import PasswordCredentials, TSRequest

MS_KERBEROS = bytes.fromhex("06092a864882f712010202")
KERBEROS = bytes.fromhex("06092a864886f712010202")
NEGOEX = bytes.fromhex("060a2b06010401823702021e")
NTLM = bytes.fromhex("060a2b06010401823702020a")
NONCE = bytes(range(32))


def der(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 0x80:
        return bytes([tag, size]) + body
    return bytes([tag, 0x82]) + size.to_bytes(2, "big") + body


def listed(*mechanisms: bytes) -> bytes:
    return der(0x30, b"".join(mechanisms))


def init(mechanisms: bytes, token: bytes | None) -> bytes:
    inner = der(0xA0, mechanisms) + (b"" if token is None else der(0xA2, der(0x04, token)))
    body = der(0x06, bytes.fromhex("2b0601050502")) + der(0xA0, der(0x30, inner))
    return der(0x60, body)


def response(token: bytes, mic: bytes = b"", state: bytes = b"") -> bytes:
    inner = state + der(0xA2, der(0x04, token))
    return der(0xA1, der(0x30, inner + (der(0xA3, der(0x04, mic)) if mic else b"")))


class Mstsc:
    """NTLM of its own, in SPNEGO by hand."""

    def __init__(self, mechanisms: bytes) -> None:
        self.mechanisms = mechanisms
        self.ntlm = spnego.client(USERNAME, PASSWORD, hostname="proxy", protocol="ntlm")

    def fallen_back(self, acceptor: CredSSPAcceptor, token: bytes) -> list:
        """Come to the answer, which has the MIC of the list with it."""
        [step] = acceptor.receive(TSRequest(token=init(self.mechanisms, token)).write())
        # request-mic, and NTLM in place of what was preferred (RFC 4178 4.2.2).
        wanted = der(0xA1, der(0x30, bytes.fromhex("a0030a0103") + der(0xA1, NTLM)))
        assert TSRequest.read(sent([step])).token == wanted
        negotiate = self.ntlm.step() or b""
        [step] = acceptor.receive(TSRequest(token=response(negotiate)).write())
        told = TSRequest.read(sent([step])).token or b""
        assert told[told.index(b"\xa0") :].startswith(bytes.fromhex("a0030a0101"))
        answer = self.ntlm.step(told[told.index(b"NTLMSSP") :]) or b""
        return acceptor.receive(TSRequest(token=response(answer, self.mic())).write())

    def mic(self) -> bytes:
        """The MIC of the list; what is sealed next begins where this began ([MS-SPNG])."""
        signed = self.ntlm.sign(self.mechanisms)
        self.ntlm._reset_ntlm_crypto_state()  # type: ignore[attr-defined]
        return signed


@pytest.mark.parametrize(
    ("mechanisms", "token"),
    [
        (listed(MS_KERBEROS, KERBEROS, NEGOEX, NTLM), b"\x60\x82 a ticket for the proxy"),
        (listed(NEGOEX, NTLM), b"NEGOEXTS and what is behind it"),
        (listed(KERBEROS, NTLM), b"\x60\x48 a ticket"),
    ],
)
def test_who_would_rather_come_by_kerberos_falls_back_to_ntlm(mechanisms: bytes, token: bytes):
    mstsc, acceptor = Mstsc(mechanisms), CredSSPAcceptor(PUBLIC_KEY, challenge())
    [wanted] = mstsc.fallen_back(acceptor, token)
    key = proof_of(wanted)
    assert key is not None
    told = TSRequest.read(sent(acceptor.proved(key)))
    # accept-completed with the MIC of ours, and nothing of the key yet: that is a leg later.
    assert told.public_key_auth is None
    spoken = told.token or b""
    assert spoken[4:9] == bytes.fromhex("a0030a0100")
    mstsc.ntlm.verify(mechanisms, spoken[-16:])
    mstsc.ntlm._reset_ntlm_crypto_state(outgoing=False)  # type: ignore[attr-defined]
    ours, theirs = _bindings(6, PUBLIC_KEY, NONCE)
    sealed = mstsc.ntlm.wrap(ours).data
    [step] = acceptor.receive(TSRequest(public_key_auth=sealed, nonce=NONCE).write())
    answer = TSRequest.read(sent([step]))
    assert mstsc.ntlm.unwrap(answer.public_key_auth or b"").data == theirs
    given = PasswordCredentials(domain="", username="", password=PASSWORD)
    info = TSRequest(auth_info=mstsc.ntlm.wrap(given.write()).data)
    assert acceptor.receive(info.write()) == [Delegated(USERNAME, PASSWORD)]


def test_a_list_of_mechanisms_that_was_altered_fails_its_mic():
    mechanisms = listed(KERBEROS, NTLM)
    mstsc, acceptor = Mstsc(mechanisms), CredSSPAcceptor(PUBLIC_KEY, challenge())
    mstsc.mic = lambda: mstsc.ntlm.sign(listed(NTLM))  # type: ignore[method-assign]
    [wanted] = mstsc.fallen_back(acceptor, b"a ticket")
    key = proof_of(wanted)
    assert key is not None
    with pytest.raises(RemoteProtocolError, match="altered"):
        acceptor.proved(key)


@pytest.mark.parametrize("version", [2, 6])
def test_without_spnego_too_the_key_may_come_a_leg_later(version: int):
    ntlm = spnego.client(USERNAME, PASSWORD, hostname="proxy", protocol="ntlm")
    acceptor = CredSSPAcceptor(PUBLIC_KEY, challenge())
    [step] = acceptor.receive(TSRequest(version=version, token=ntlm.step()).write())
    token = ntlm.step(TSRequest.read(sent([step])).token)
    [wanted] = acceptor.receive(TSRequest(version=version, token=token).write())
    key = proof_of(wanted)
    assert key is not None
    assert TSRequest.read(sent(acceptor.proved(key))) == TSRequest()
    nonce = NONCE if version == 6 else None
    ours, theirs = _bindings(version, PUBLIC_KEY, nonce)
    later = TSRequest(version=version, public_key_auth=ntlm.wrap(ours).data, nonce=nonce)
    [step] = acceptor.receive(later.write())
    answer = TSRequest.read(sent([step])).public_key_auth or b""
    assert ntlm.unwrap(answer).data == theirs


def test_an_answer_without_a_token_ends_the_login():
    acceptor = CredSSPAcceptor(PUBLIC_KEY, challenge())
    acceptor.receive(TSRequest(token=init(listed(KERBEROS, NTLM), None)).write())
    empty = der(0xA1, der(0x30, bytes.fromhex("a0030a0101")))
    with pytest.raises(RemoteProtocolError, match="without a token"):
        acceptor.receive(TSRequest(token=empty).write())


def test_a_client_keeps_to_its_version_and_a_new_one_brings_its_nonce():
    ntlm = spnego.client(USERNAME, PASSWORD, protocol="ntlm")
    acceptor = CredSSPAcceptor(PUBLIC_KEY, challenge())
    [step] = acceptor.receive(TSRequest(version=5, token=ntlm.step()).write())
    token = ntlm.step(TSRequest.read(sent([step])).token)
    with pytest.raises(RemoteProtocolError, match="another version"):
        acceptor.receive(TSRequest(version=2, token=token).write())
    sealed = ntlm.wrap(b"whatever").data
    without = TSRequest(version=5, token=token, public_key_auth=sealed)
    [wanted] = acceptor.receive(without.write())
    key = proof_of(wanted)
    assert key is not None
    with pytest.raises(RemoteProtocolError):
        acceptor.proved(key)


def test_a_client_that_is_newer_than_we_are_may_go_on_in_our_version():
    ntlm = spnego.client(USERNAME, PASSWORD, protocol="ntlm")
    acceptor = CredSSPAcceptor(PUBLIC_KEY, challenge())
    [step] = acceptor.receive(TSRequest(version=7, token=ntlm.step()).write())
    answer = TSRequest.read(sent([step]))
    assert answer.version == 6
    token = ntlm.step(answer.token)
    [wanted] = acceptor.receive(TSRequest(version=6, token=token).write())
    assert proof_of(wanted) is not None


@pytest.mark.parametrize("version", [2, 3, 4, 5, 6])
def test_a_target_of_any_version_is_logged_on_to_in_its_own_words(version: int):
    acceptor = CredSSPAcceptor(PUBLIC_KEY, challenge())
    initiator = CredSSPInitiator(REAL, PUBLIC_KEY, "target")

    def to_target(message: bytes) -> list:
        """Have the target be of its version: it speaks so, and hears so."""
        request = TSRequest.read(message)
        assert request.version == 6
        assert (request.nonce is not None) == (
            request.public_key_auth is not None and version >= 5
        )
        return acceptor.receive(structs.replace(request, version=version).write())

    def from_target(steps: list) -> bytes:
        return structs.replace(TSRequest.read(sent(steps)), version=version).write()

    message, _ = initiator.receive(from_target(to_target(initiator.start())))
    [wanted] = to_target(message)
    key = proof_of(wanted, REAL.password)
    assert key is not None
    message, last = initiator.receive(from_target(acceptor.proved(key)))
    assert last
    assert to_target(message) == [Delegated(REAL.username, REAL.password)]


def test_a_target_that_shows_no_key_is_sent_no_password():
    acceptor = CredSSPAcceptor(PUBLIC_KEY, challenge())
    initiator = CredSSPInitiator(REAL, PUBLIC_KEY, "target")
    message, _ = initiator.receive(sent(acceptor.receive(initiator.start())))
    [wanted] = acceptor.receive(message)
    key = proof_of(wanted, REAL.password)
    assert key is not None
    silent = structs.replace(TSRequest.read(sent(acceptor.proved(key))), public_key_auth=None)
    with pytest.raises(RemoteProtocolError, match="which key"):
        initiator.receive(silent.write())


def test_a_target_of_version_2_that_sends_our_own_words_back_is_found_out():
    acceptor = CredSSPAcceptor(PUBLIC_KEY, challenge())
    initiator = CredSSPInitiator(REAL, PUBLIC_KEY, "target")
    [step] = acceptor.receive(initiator.start())
    old = structs.replace(TSRequest.read(sent([step])), version=2)
    message, _ = initiator.receive(old.write())
    request = TSRequest.read(message)
    [wanted] = acceptor.receive(structs.replace(request, version=6, nonce=NONCE).write())
    key = proof_of(wanted, REAL.password)
    assert key is not None
    session = acceptor._ntlm.proved(key)
    echoed = TSRequest(version=2, public_key_auth=session.seal(PUBLIC_KEY))
    with pytest.raises(TargetUnreachableError, match="somebody stands between"):
        initiator.receive(echoed.write())
