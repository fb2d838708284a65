"""The handshake with a target as far as it tells whether a secret works. Sans-io.

Where the target demands NLA, it says so before the password is sent, and there this ends.
Where TLS is all, only a session could tell: logging on would make one.
"""

from protocols.errors import RemoteProtocolError
from protocols.rdp.credssp import CredSSPInitiator
from protocols.rdp.negotiation import answered
from protocols.rdp.opening import Opening
from protocols.rdp.steps import Ready, Send, StartTLS, Step
from protocols.rdp.wire import x224
from protocols.rdp.wire.framing import DERSplitter, Splitter
from protocols.rdp.wire.ts_request import PasswordCredentials


class Probe:
    """One handshake. `proved` says whether the target took the credential."""

    def __init__(
        self, credentials: PasswordCredentials, host: str, opening: Opening | None = None
    ) -> None:
        self._credentials, self._host, self._opening = credentials, host, opening
        self._splitter, self._tokens = Splitter(), DERSplitter()
        self._nla = False
        self._credssp: CredSSPInitiator | None = None
        self.proved = False

    def start(self) -> list[Step]:
        """Begin."""
        offered = x224.Security.TLS | x224.Security.NLA
        return [Send(x224.ConnectionRequest(protocols=offered).write())]

    def tls_started(self, public_key: bytes) -> list[Step]:
        """Go on under TLS, with a target whose certificate was accepted."""
        if not self._nla:
            return [Ready()]
        self._credssp = CredSSPInitiator(
            self._credentials, public_key, self._host, self._opening
        )
        return [Send(self._credssp.start())]

    def receive(self, data: bytes) -> list[Step]:
        """Take what the target sent; raises what `Connector.receive` raises."""
        if self._credssp is not None:
            return self._token_received(self._credssp, data)
        match self._splitter.feed(data):
            case []:
                return []
            case [packet]:
                self._nla = bool(answered(packet).selected & x224.Security.NLA)
                return [StartTLS()]
        raise RemoteProtocolError("bytes behind the answer, before TLS")

    def _token_received(self, credssp: CredSSPInitiator, data: bytes) -> list[Step]:
        token = self._tokens.feed(data)
        if token is None:
            return []
        answer, last = credssp.receive(token)
        if not last:
            return [Send(answer)]
        self.proved = True
        return [Ready()]
