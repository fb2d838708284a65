"""What every request of an operator is made of."""

from typing import Annotated

from msgspec import Meta, Struct

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")]
Port = Annotated[int, Meta(ge=1, le=65535)]
Line = Annotated[str, Meta(min_length=1, max_length=2000)]
Reason = Annotated[str, Meta(max_length=256)]
"""What somebody says about what he asks for or decides."""


class Request(Struct, frozen=True, kw_only=True, tag_field="ask", tag=True):
    """Something an operator asks for; its class name travels with it."""

    def __repr__(self) -> str:
        # Some hold passwords and keys, and a representation ends up in logs.
        return f"{type(self).__name__}(<redacted>)"
