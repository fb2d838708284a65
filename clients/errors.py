"""What can go wrong on a user's machine. Each class has its exit status.

The statuses are those of the command line `proxyd`.
"""

from typing import ClassVar


class ClientError(Exception):
    """Base of this package's errors; on its own: it failed."""

    status: ClassVar[int] = 1


class UsageError(ClientError):
    """What was typed or clicked makes no sense."""

    status = 2


class MissingError(ClientError):
    """A program that is needed is not on this machine."""

    status = 3


class DeniedError(ClientError):
    """The server, or this machine's user, does not let it happen."""

    status = 4


class UnreachableError(ClientError):
    """The server does not answer, or not as one does."""

    status = 5


class IntegrityError(ClientError):
    """Whoever answers is not who was registered."""

    status = 6
