"""The clipboard's channel in a relay: what may cross of it, piece by piece. Sans-io."""

from protocols.rdp.clipboard_policy import CHANNEL_NAME, ClipboardPolicy, ClipboardTerms
from protocols.rdp.followed import Passed, Refusals
from recorder.events import KnownEvent


class ClipboardChannel:
    """Follows a clipboard. What does not cross is recorded, once a kind."""

    def __init__(self, terms: ClipboardTerms) -> None:
        self._policy = ClipboardPolicy(terms)
        self._refusals = Refusals(CHANNEL_NAME)

    def take(self, at_ms: int, data: bytes, *, from_client: bool) -> Passed:
        """Take the next piece; raise `RemoteProtocolError` where it makes no sense."""
        passed = Passed(self._policy.take(data, from_client=from_client))
        if self._policy.refused is not None:
            passed.events = self._refusals.tell(at_ms, self._policy.refused)
        return passed

    def end(self, _at_ms: int, /) -> list[KnownEvent]:
        """Return nothing: no text is under way for long."""
        return []
