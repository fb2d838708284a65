"""What gates for files share: what they let go of, and what of a guard they have no use for."""

from protocols.ssh.commands.rules import Found


class FileGate:
    """Stands in a guard's place on a channel that carries files; each judges for itself."""

    held: Found | None = None
    waits = False

    def __init__(self) -> None:
        self._due = bytearray()
        self.found: list[Found] = []

    def resize(self, columns: int) -> None:
        """Take nothing: there is no terminal."""

    def tick(self, at_ms: int) -> None:
        """Let time pass."""

    def resolve(self, at_ms: int, *, approved: bool) -> None:
        """Do nothing: no file waits for approval."""

    def finish(self, at_ms: int) -> None:
        """Let go of nothing: what was not judged by now never is."""

    def take(self) -> bytes:
        """Return what may go on to the target now."""
        due, self._due = bytes(self._due), bytearray()
        return due
