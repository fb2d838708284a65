"""What can go wrong while an operator's request is carried out."""


class ControlError(Exception):
    """Base of this package's errors: the request failed. The message says what to do next."""


class NotFoundError(ControlError):
    """There is nothing of this name."""


class DeniedError(ControlError):
    """It is there, but this is not allowed."""


class UnreachableError(ControlError):
    """A node, a target or the database does not answer."""


class IntegrityError(ControlError):
    """What was kept is not what was stored."""
