"""What can go wrong with what is kept."""

import recorder.errors


class StorageError(Exception):
    """Base of this package's errors."""


class StorageUnavailableError(StorageError):
    """The database or the blob store cannot be read or written now; trying again may help."""


class UnsupportedStoreError(StorageError):
    """A URL names a kind of store that this version does not know."""


class ChunkRefusedError(StorageError, recorder.errors.ChunkRefusedError):
    """A chunk went to quarantine; sending it again will not help."""


class ChunkConflictError(ChunkRefusedError):
    """A chunk came with the number of a stored one and other bytes."""


class UntrustedChunkError(ChunkRefusedError):
    """A chunk is not signed by an engine that is known and trusted."""


class DamagedChunkError(ChunkRefusedError):
    """A chunk does not decode."""


class ChildLostError(StorageError):
    """The child died, took too long, or met what it could not understand."""


class ChildSlowError(ChildLostError):
    """The child took longer than it may: so would another."""


class ChildUnavailableError(StorageError):
    """The child did not start. No recording is to blame: try again later."""
