"""What every request of an operator is made of."""

from msgspec import Struct


class Request(Struct, frozen=True, kw_only=True, tag_field="ask", tag=True):
    """A request, told from the others by the name of its class."""

    def __repr__(self) -> str:
        # Some hold passwords and keys, and a representation ends up in logs.
        return f"{type(self).__name__}(<redacted>)"
