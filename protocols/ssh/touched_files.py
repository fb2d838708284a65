"""What a ledger found done to files on one channel, until somebody takes it.

A ledger reads a protocol; this is what all of them say in the end, and in whose place
somebody puts his own who wants the contents as well.
"""

from protocols.contents import Stream
from recorder.events import FileTouched


class TouchedFiles:
    """Notes what was done to files, in order."""

    new_stream: type[Stream] = Stream
    """Makes what takes the contents of one file in one direction."""

    def __init__(self, channel: int = 0) -> None:
        self._channel = channel
        self.at_ms = 0
        """When that happens which is noted from now on."""
        self.noted: list[FileTouched] = []
        """What nobody has taken yet."""

    def take(self) -> list[FileTouched]:
        """Return what was noted, once."""
        noted, self.noted = self.noted, []
        return noted

    def note(
        self,
        operation: str,
        path: str,
        size_bytes: int = 0,
        sha256: bytes = b"",
        *,
        outcome: str,
        new_path: str = "",
    ) -> FileTouched:
        """Note what was done to a file, and return the event that says so."""
        touched = FileTouched(
            at_ms=self.at_ms,
            channel=self._channel,
            operation=operation,
            path=path,
            size_bytes=size_bytes,
            sha256=sha256,
            outcome=outcome,
            new_path=new_path,
        )
        self.noted.append(touched)
        return touched

    def crossed(
        self,
        operation: str,
        path: str,
        stream: Stream,
        sha256: bytes,
        *,
        outcome: str,
        new_path: str = "",
    ) -> FileTouched:
        """Note that no more of a file's contents crosses; `stream` took them."""
        touched = self.note(
            operation, path, stream.size_bytes, sha256, outcome=outcome, new_path=new_path
        )
        self.over(touched, stream)
        return touched

    def over(self, touched: FileTouched, stream: Stream) -> None:
        """Take it that these were the contents of a file."""
