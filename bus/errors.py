"""What can go wrong between nodes."""


class BusError(Exception):
    """Base of this package's errors."""


class BusUnavailableError(BusError):
    """The bus, or whoever should answer on it, cannot be reached in time."""


class BadMessageError(BusError):
    """A message does not decode, is too large, or is of a version we do not know."""


class FeedCutError(BusError):
    """The live feed ends before its session does: the text says why."""
