"""What can go wrong while speaking to a user or a target."""

from bus.contract import DenialReason


class ProtocolsError(Exception):
    """Base of this package's errors."""


class LocalProtocolError(ProtocolsError):
    """We were about to break the protocol: a defect of ours."""


class RemoteProtocolError(ProtocolsError):
    """The peer broke the protocol. Its connection ends; nothing else does."""


class AccessDeniedError(ProtocolsError):
    """The user may not have this session."""

    def __init__(self, reason: DenialReason, detail: str = "") -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.detail = detail
        """What somebody who has logged on may be told."""


class TargetUnreachableError(ProtocolsError):
    """The target could not be reached, or is not the machine it should be.

    The message is shown to the user: it names the target and the next step, and
    holds no credential.
    """


class CredentialRefusedError(TargetUnreachableError):
    """The target is there, and does not take the stored credential."""
