"""What can go wrong for an operator. Each message names the thing and the next step."""


class ControlError(Exception):
    """Base of this package's errors; on its own: it failed."""


class NotFoundError(ControlError):
    """There is nothing of this name."""


class ConflictError(ControlError):
    """What is asked for does not go together with what is there."""


class InvalidError(ControlError):
    """What is asked for makes no sense, whatever is there."""


class DeniedError(ControlError):
    """Whoever asks may not, or the one it is asked for may not."""


class UnreachableError(ControlError):
    """Whoever has to take part (a daemon, an engine, a target) does not answer."""


class IntegrityError(ControlError):
    """What is stored was altered, or is not what it says it is."""
