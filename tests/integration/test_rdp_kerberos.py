"""A target that is logged on to with a ticket, from a real realm.

What it needs is an extra that is built from source: `script/bootstrap kerberos`.
"""

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest
import spnego
from msgspec import structs
from peers.certificates import Authority
from peers.kdc import HOST, PASSWORD, REALM, USER, Realm
from samples.rdp import PUBLIC_KEY, ScriptedTarget, accepted_client

from bus.contract import HostKeyPolicy
from config.model import RDPSettings
from protocols.errors import TargetUnreachableError
from protocols.rdp.certificates import TargetCertificates, fingerprint, subject_public_key
from protocols.rdp.connector import Connector, Logon
from protocols.rdp.credssp import CredSSPInitiator, _bindings
from protocols.rdp.dialler import dial
from protocols.rdp.leg import Leg, LegClosedError
from protocols.rdp.opening import Opening, by_kerberos
from protocols.rdp.tickets import opened
from protocols.rdp.wire import spnego as negotiation
from protocols.rdp.wire.framing import DERSplitter
from protocols.rdp.wire.ts_request import PasswordCredentials, TSRequest
from protocols.rdp.wire.x224 import Security
from recorder.session_info import Target as RecordedTarget
from recorder.session_info import TargetProtocol

pytestmark = pytest.mark.peers

CREDENTIALS = PasswordCredentials(domain=REALM.lower(), username=USER, password=PASSWORD)


class Target:
    """CredSSP as a target in the realm does it, by pyspnego and MIT's libraries."""

    def __init__(self, host: str = HOST, version: int = 6) -> None:
        self.context = spnego.server(hostname=host, service="TERMSRV", protocol="negotiate")
        self.version = version
        self.delegated: PasswordCredentials | None = None
        self.public_key = PUBLIC_KEY
        self._nonce: bytes | None = None

    def answer(self, message: bytes) -> bytes:
        request = TSRequest.read(message)
        if request.auth_info is not None:
            opened = self.context.unwrap(request.auth_info).data
            self.delegated = PasswordCredentials.read(opened)
            return b""
        token = None
        if request.token is not None:
            token = self.context.step(request.token)
        public_key_auth = None
        if request.public_key_auth is not None:
            ours, theirs = _bindings(self.version, self.public_key, request.nonce)
            assert self.context.unwrap(request.public_key_auth).data == ours
            public_key_auth = self.context.wrap(theirs).data
        answer = TSRequest(version=self.version, token=token, public_key_auth=public_key_auth)
        return answer.write()


def logged_on(initiator: CredSSPInitiator, target: Target) -> None:
    message, last = initiator.start(), False
    for _ in range(8):
        answer = target.answer(message)
        if last:
            return
        message, last = initiator.receive(answer)
    pytest.fail("the login comes to no end")


def ticket(host: str = HOST, credentials: PasswordCredentials = CREDENTIALS) -> Opening:
    opening = by_kerberos(credentials, host)
    assert opening is not None
    return opening


@pytest.mark.parametrize("version", [2, 4, 5, 6])
def test_a_target_of_the_realm_is_logged_on_to_with_a_ticket(
    realm: Realm, version: int
) -> None:
    target = Target(version=version)
    logged_on(CredSSPInitiator(CREDENTIALS, PUBLIC_KEY, HOST, ticket()), target)
    assert target.context.negotiated_protocol == "kerberos"
    assert target.context.client_principal == f"{USER}@{REALM}"
    # The password is delegated as ever: the desktop's own logon wants it.
    assert target.delegated == CREDENTIALS
    assert f"for TERMSRV/{HOST}@{REALM}" in realm.log


def test_the_ticket_is_of_the_service_that_rdp_targets_are_called_by(realm: Realm) -> None:
    ticket()
    asked = [line for line in realm.log.splitlines() if "TGS_REQ" in line]
    assert asked
    assert all(f"for TERMSRV/{HOST}@{REALM}" in line for line in asked)


def test_the_password_does_not_leave_with_the_first_token(realm: Realm) -> None:
    token = ticket().token or b""
    assert negotiation.Init.read(token).mechanisms[0].hex() == "2a864886f712010202"
    for encoding in ("utf-8", "utf-16-le"):
        assert PASSWORD.encode(encoding) not in token


def test_a_target_with_another_key_is_sent_no_password(realm: Realm) -> None:
    target = Target()
    initiator = CredSSPInitiator(CREDENTIALS, PUBLIC_KEY, HOST, ticket())

    def swapped(message: bytes) -> bytes:
        request = TSRequest.read(message)
        answer = TSRequest.read(target.answer(message))
        if request.public_key_auth is None:
            return answer.write()
        _, theirs = _bindings(6, b"\x30\x03another", request.nonce)
        return structs.replace(answer, public_key_auth=target.context.wrap(theirs).data).write()

    def all_of_it() -> None:
        message = initiator.start()
        for _ in range(8):
            message, _ = initiator.receive(swapped(message))

    with pytest.raises(TargetUnreachableError, match="somebody stands between"):
        all_of_it()
    assert target.delegated is None


@pytest.mark.parametrize(
    ("host", "changed"),
    [
        ("unknown.corp.example.org", {}),
        (HOST, {"password": "wrong"}),
        (HOST, {"username": "nobody"}),
        (HOST, {"domain": "ELSEWHERE.EXAMPLE.ORG"}),
        ("127.0.0.1", {}),
    ],
)
def test_where_no_ticket_is_to_be_had_it_is_ntlm(
    realm: Realm, host: str, changed: dict[str, str]
) -> None:
    assert by_kerberos(structs.replace(CREDENTIALS, **changed), host) is None
    initiator = CredSSPInitiator(CREDENTIALS, PUBLIC_KEY, host, None)
    assert b"NTLMSSP" in initiator.start()


async def test_only_engines_that_are_told_so_ask_for_tickets(realm: Realm) -> None:
    silent = await opened(CREDENTIALS, HOST, RDPSettings())
    assert silent is None
    asking = await opened(CREDENTIALS, HOST, RDPSettings(kerberos=True))
    assert asking is not None


async def test_a_realm_that_does_not_answer_is_not_waited_for(
    realm: Realm, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, ("127.0.0.1", 0)
    )
    port = server[0].get_extra_info("sockname")[1]
    silent = realm.folder / "silent.conf"
    text = realm.config.read_text()
    before = text[: text.index("kdc = ")]
    silent.write_text(before + f"kdc = 127.0.0.1:{port}\n}}\n")
    monkeypatch.setenv("KRB5_CONFIG", str(silent))
    settings = RDPSettings(kerberos=True, dial_timeout_s=0.5)
    assert await opened(CREDENTIALS, HOST, settings) is None
    server[0].close()


async def test_a_whole_handshake_by_tls_and_ticket_comes_to_a_session(
    realm: Realm, tmp_path: Path
) -> None:
    kerberos, scripted = Target("localhost"), ScriptedTarget(Security.NLA)
    signed = Authority(tmp_path, "localhost").sign("localhost")
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(signed.certificate, signed.key)
    der = ssl.PEM_cert_to_DER_cert(signed.certificate.read_text())
    kerberos.public_key = subject_public_key(der)

    async def serve(leg: Leg) -> None:
        leg.write(scripted.answer(await leg.read()))
        await leg.start_tls(ours)
        tokens = DERSplitter()
        while kerberos.delegated is None:
            token = tokens.feed(await leg.read())
            if token is not None:
                leg.write(kerberos.answer(token))
        leg.write(scripted.answer(tokens.take_rest()))
        with contextlib.suppress(LegClosedError):
            while True:
                leg.write(scripted.answer(await leg.read()))

    async with asyncio.TaskGroup() as tasks:
        loop = asyncio.get_running_loop()

        def accept(leg: Leg) -> None:
            tasks.create_task(serve(leg))

        server = await loop.create_server(lambda: Leg(accept), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        settings = RDPSettings(kerberos=True)
        wanted = Logon(
            host="localhost",
            credentials=CREDENTIALS,
            allowed_channels=frozenset({"cliprdr"}),
            opening=await opened(CREDENTIALS, "localhost", settings),
        )
        connector = Connector(accepted_client(), wanted)
        given = TargetCertificates(
            HostKeyPolicy.GIVEN, (fingerprint(der),), _no_pin, secret_name="desk"
        )
        where = RecordedTarget(protocol=TargetProtocol.RDP, host="localhost", port=port)
        leg = await dial(where, connector, given, settings)
        leg.abort()
        server.close()
    assert kerberos.context.negotiated_protocol == "kerberos"
    assert kerberos.delegated == CREDENTIALS
    assert connector.target is not None
    assert connector.target.checked
    assert scripted.info.username == USER


async def _no_pin(_key: str) -> tuple[str, ...]:
    raise AssertionError("a given certificate is not pinned")
