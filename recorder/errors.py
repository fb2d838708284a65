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


class UntrustedChunkError(RecorderError):
    """A chunk is whole, but not signed by an engine that is known and trusted."""


class RecordingKeyError(RecorderError):
    """A recording key is not here, or is none: the operator must bring it back."""


class SelfTestError(RecorderError):
    """Signing or encryption does not do what it is for: nothing may be recorded."""


class MalformedPduError(RecorderError):
    """A recorded PDU breaks its protocol; what it meant is not known."""
