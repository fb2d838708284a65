"""What can go wrong with a recording."""


class RecorderError(Exception):
    """Base of this package's errors."""


class CorruptChunkError(RecorderError):
    """A chunk does not decode, or does not follow the chunk before it."""


class RecordingLostError(RecorderError):
    """An event could not be kept. The session must end unless its policy says otherwise."""


class SpoolFullError(RecordingLostError):
    """The spool reached its quota or its disk is full."""


class ChunkRefusedError(RecorderError):
    """The storage side will never take this chunk: sending it again does not help."""
