"""NLA: CredSSP ([MS-CSSP] 3.1.5), by NTLM towards clients, by that or Kerberos towards targets.

Both bind the TLS connection's public key in, so that whoever stands between cannot pass a
login on.
"""

import hashlib
import hmac
import secrets
import struct
from typing import Final

from msgspec import Struct
from spnego.exceptions import SpnegoError

from protocols.errors import CredentialRefusedError, RemoteProtocolError, TargetUnreachableError
from protocols.rdp.ntlm import NTLMAcceptor, SealedSession
from protocols.rdp.opening import Opening, by_ntlm
from protocols.rdp.steps import ProofWanted, Refused, Send, Step
from protocols.rdp.wire import ntlm
from protocols.rdp.wire import spnego as negotiation
from protocols.rdp.wire.ts_request import VERSION, PasswordCredentials, TSRequest

LOGON_FAILURE: Final = 0xC000006D
"""`STATUS_LOGON_FAILURE`: the one answer to every login that fails."""
_SPNEGO_RAISES: Final = (SpnegoError, ValueError, struct.error, LookupError, TypeError)
"""pyspnego reads what a target wrote, and checks little of it before."""
_WITH_ERRORS: Final = frozenset({3, 4, 6})
"""Versions that know of an error code ([MS-CSSP] 2.2.1): 5 does not."""
_NONCE_SINCE: Final = 5
_NONCE_BYTES: Final = 32
_TO_SERVER: Final = b"CredSSP Client-To-Server Binding Hash\0"
_TO_CLIENT: Final = b"CredSSP Server-To-Client Binding Hash\0"


class Delegated(Struct, frozen=True):
    """The client proved itself and handed over what it logs on with."""

    username: str
    """The name that was proved."""
    password: str

    def __repr__(self) -> str:
        return "Delegated(<redacted>)"


class CredSSPAcceptor:
    """The server's part of one authentication.

    INVARIANT: `Delegated` names whom NTLM has proved, whatever else the client says.
    """

    def __init__(self, public_key: bytes, challenge: ntlm.Challenge) -> None:
        """Bind the authentication to `public_key`, the contents of our certificate's."""
        self._public_key = public_key
        self._ntlm = NTLMAcceptor(challenge)
        self._wrapped: negotiation.Init | None = None
        self._request: TSRequest | None = None
        self._list_mic: bytes | None = None
        self._username = ""
        self._session: SealedSession | None = None
        self._bound = False

    def receive(self, message: bytes) -> list[Step | Delegated]:
        """Take a TSRequest; return what to do about it."""
        request = TSRequest.read(message)
        if self._request is not None and _spoken(request) != _spoken(self._request):
            raise RemoteProtocolError("another version of CredSSP in the middle of it")
        self._request = request
        if self._session is None:
            if request.token is None:
                raise RemoteProtocolError("a TSRequest without a token")
            return [self._authenticate(request.token)]
        if request.public_key_auth is not None and not self._bound:
            return [Send(self._bind(request, self._session).write())]
        if request.auth_info is not None and self._bound:
            given = PasswordCredentials.read(self._session.open(request.auth_info))
            return [Delegated(self._username, given.password)]
        raise RemoteProtocolError("a TSRequest out of its turn")

    def proved(self, base_key: bytes) -> list[Step | Delegated]:
        """Go on with a client whose answer was proved."""
        if self._request is None or self._session is not None:
            raise RemoteProtocolError("a TSRequest out of its turn")
        session = self._ntlm.proved(base_key)
        token = self._accepted(session)
        self._session = session
        if self._request.public_key_auth is None:
            return [Send(TSRequest(token=token).write())]
        bound = self._bind(self._request, session)
        answer = TSRequest(token=token, public_key_auth=bound.public_key_auth)
        return [Send(answer.write())]

    def unproved(self) -> list[Step | Delegated]:
        """Refuse a client, in the words that every refused one reads."""
        refused = Refused("the login was refused")
        if self._request is None or _spoken(self._request) not in _WITH_ERRORS:
            return [refused]
        return [Send(TSRequest(error_code=LOGON_FAILURE).write()), refused]

    # --- inside

    def _authenticate(self, token: bytes) -> Step:
        message = self._unwrapped(token)
        if message is None:
            response = negotiation.Response(
                state=negotiation.State.REQUEST_MIC, mechanism=negotiation.NTLM
            )
            return Send(TSRequest(token=response.write()).write())
        if message[8:12] == b"\x03\0\0\0":
            attempt = self._ntlm.attempt(message)
            self._username = attempt.username
            return ProofWanted(attempt)
        answer = self._ntlm.challenge(message)
        if self._wrapped:
            state = negotiation.State.ACCEPT_INCOMPLETE
            answer = negotiation.Response(
                state=state, mechanism=negotiation.NTLM, token=answer
            ).write()
        return Send(TSRequest(token=answer).write())

    def _unwrapped(self, token: bytes) -> bytes | None:
        """Return the NTLM message in `token`; None where it offers another mechanism first."""
        if self._wrapped:
            response = negotiation.Response.read(token)
            self._list_mic = response.mic or self._list_mic
            if response.token is None:
                raise RemoteProtocolError("an SPNEGO answer without a token")
            return response.token
        if token.startswith(ntlm.SIGNATURE):
            return token
        offer = negotiation.Init.read(token)
        if negotiation.NTLM not in offer.mechanisms:
            raise RemoteProtocolError("the client does not offer NTLM")
        self._wrapped = offer
        return offer.token if offer.mechanisms[0] == negotiation.NTLM else None

    def _accepted(self, session: SealedSession) -> bytes | None:
        """Return the token that ends SPNEGO; none where there was none."""
        if self._wrapped is None:
            return None
        mic = None
        if self._list_mic is not None:
            session.check_list(self._list_mic, self._wrapped.mechanism_list)
            mic = session.sign_list(self._wrapped.mechanism_list)
        return negotiation.Response(state=negotiation.State.ACCEPT_COMPLETED, mic=mic).write()

    def _bind(self, request: TSRequest, session: SealedSession) -> TSRequest:
        """Check that the client sees our key, and answer that we see the same."""
        given = session.open(request.public_key_auth or b"")
        expected, answer = _bindings(_spoken(request), self._public_key, request.nonce)
        if not hmac.compare_digest(given, expected):
            raise RemoteProtocolError("the client sees another certificate than ours")
        self._bound = True
        return TSRequest(public_key_auth=session.seal(answer))


class CredSSPInitiator:
    """The client's part of one authentication, with the real credential."""

    def __init__(
        self,
        credentials: PasswordCredentials,
        public_key: bytes,
        host: str,
        opening: Opening | None = None,
    ) -> None:
        """Log on at `host`, whose certificate has `public_key`; by NTLM, if by nothing else."""
        self._credentials = credentials
        self._public_key = public_key
        self._nonce = secrets.token_bytes(_NONCE_BYTES)
        self._opening = opening or by_ntlm(credentials, host)
        self._context = self._opening.context
        self._version = VERSION
        self._bound = False

    def start(self) -> bytes:
        """Return the first TSRequest."""
        return TSRequest(token=self._opening.token).write()

    def receive(self, message: bytes) -> tuple[bytes, bool]:
        """Take an answer; return the next TSRequest, and whether it is the last one.

        Raises `CredentialRefusedError` where the target refuses the credential, and
        `TargetUnreachableError` where it shows another key than its certificate's.
        """
        request = TSRequest.read(message)
        if request.error_code:
            raise CredentialRefusedError(_refusal(request.error_code))
        try:
            if self._bound:
                return self._delegate(request), True
            return self._negotiate(request), False
        except _SPNEGO_RAISES as error:
            by_ticket = self._context.negotiated_protocol == "kerberos"
            name = "Kerberos" if by_ticket else "NTLM"
            raise RemoteProtocolError(f"{name}: {type(error).__name__}") from error

    def _negotiate(self, request: TSRequest) -> bytes:
        """Return the next token, and with the last one what we see of the target's key."""
        self._version = _spoken(request)
        if request.token is None and not self._context.complete:
            raise RemoteProtocolError("a TSRequest without a token")
        token = None if self._context.complete else self._context.step(request.token)
        if not self._context.complete:
            return TSRequest(token=token).write()
        self._bound = True
        nonce = self._nonce if self._version >= _NONCE_SINCE else None
        ours, _ = _bindings(self._version, self._public_key, nonce)
        sealed = self._context.wrap(ours).data
        return TSRequest(token=token, public_key_auth=sealed, nonce=nonce).write()

    def _delegate(self, request: TSRequest) -> bytes:
        if request.public_key_auth is None:
            raise RemoteProtocolError("the target does not say which key it has")
        _, expected = _bindings(self._version, self._public_key, self._nonce)
        given = self._context.unwrap(request.public_key_auth).data
        if not hmac.compare_digest(given, expected):
            raise TargetUnreachableError(
                "the target does not have the key of the certificate that came: somebody "
                "stands between; no password was sent"
            )
        sealed = self._context.wrap(self._credentials.write()).data
        return TSRequest(auth_info=sealed).write()


def _spoken(request: TSRequest) -> int:
    """Return the version that both know: whoever is newer speaks ours ([MS-CSSP] 2.2.1)."""
    return min(request.version, VERSION)


def _bindings(version: int, public_key: bytes, nonce: bytes | None) -> tuple[bytes, bytes]:
    """Return what client and server show each other about the server's key."""
    if version < _NONCE_SINCE:
        # The server adds one to the first byte ([MS-CSSP] 3.1.5, version 2 to 4).
        return public_key, bytes([(public_key[0] + 1) & 0xFF]) + public_key[1:]
    if nonce is None:
        raise RemoteProtocolError("CredSSP without the client's nonce")
    to_server = hashlib.sha256(_TO_SERVER + nonce + public_key).digest()
    return to_server, hashlib.sha256(_TO_CLIENT + nonce + public_key).digest()


_REFUSALS: Final = {
    LOGON_FAILURE: "wrong user name or password",
    0xC0000064: "wrong user name or password",
    0xC000006A: "wrong user name or password",
    0xC0000071: "its password has expired",
    0xC0000224: "its password must be changed",
    0xC0000072: "its account is disabled",
    0xC0000193: "its account has expired",
    0xC0000234: "its account is locked",
    0xC000006E: "its account may not log on like this",
    0xC000006F: "its account may not log on at this time",
    0xC0000070: "its account may not log on from here",
    0xC000015B: "its account may not log on by remote desktop",
}


def _refusal(code: int) -> str:
    why = _REFUSALS.get(code, f"status 0x{code:08x}")
    return f"the target refused the stored credential: {why}"
