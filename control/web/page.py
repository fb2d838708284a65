"""What the routes work with."""

import asyncio
import builtins
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ParamSpec, TypeVar
from uuid import UUID

import anyio.to_thread
from fastapi import Depends
from starlette.requests import HTTPConnection

from control.answers import Result, whole_answer
from control.identity_provider import IdentityProvider
from control.live_requests import LivePicture
from control.log_in import LogIn
from control.operations import Operations
from control.passkeys import Passkeys
from control.rdp_signature import RDPSigner
from control.requests import OperatorRequest, SearchHit, SearchSessions
from control.vault import Vault
from control.web.recordings import Recordings
from control.wire import decode_request, encode_request
from recorder.ports import Clock
from storage.database import Database

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")

Follow = Callable[[UUID], AsyncIterator[bytes]]
Pictures = Callable[[UUID], AsyncIterator[LivePicture]]


@dataclass(frozen=True, kw_only=True)
class Page:
    """One a node. Everything blocking runs on the page's few threads: see `run`."""

    operations: Operations
    log_in: LogIn
    passkeys: Passkeys
    provider: IdentityProvider | None = None
    """Who else vouches for users."""
    database: Database
    vault: Vault
    recordings: Recordings
    clock: Clock
    host: str
    """What users know this node by."""
    certificate_fingerprint: Callable[[], str] = str
    """Returns the SHA-256 of the page's certificate where proxyd made it itself, else ""."""
    launcher: Callable[[], bytes] = bytes
    """Returns the program that launch links start."""
    rdp_signer: Callable[[], RDPSigner | None]
    """Returns what signs `.rdp` files now, if anything does."""
    require_second_factor: bool
    not_ready: Callable[[], Sequence[str]]
    follow: Follow
    """Yields the frame bodies of a live session. Of `node_loop`: run it there."""
    pictures: Pictures
    """Yields what a live desktop shows. Of `node_loop`, too."""
    node_loop: asyncio.AbstractEventLoop
    """The node's; the page has another one, in a thread of its own."""

    def ask(self, request: OperatorRequest, who: str) -> Result | list[Result]:
        """Carry out what `who` asks, as the command line would; raise `ControlError`.

        Blocking: from a plain `def` route, or by `run`.
        """
        # Through the codec, which checks what was given, as for the command line.
        checked = decode_request(encode_request(request))
        answer = whole_answer(checked, self.operations.carry_out(checked, who))
        if isinstance(checked, SearchSessions) and isinstance(answer, builtins.list):
            hits = [hit for hit in answer if isinstance(hit, SearchHit)]
            return [*self.recordings.shown(hits, who)]
        return answer

    def list(self, request: OperatorRequest, who: str, kind: type[R]) -> builtins.list[R]:
        """As `ask`, for a request with many results, all of one kind."""
        found = self.ask(request, who)
        return (
            [one for one in found if isinstance(one, kind)]
            if isinstance(found, builtins.list)
            else []
        )

    def one(self, request: OperatorRequest, who: str, kind: type[R]) -> R:
        """As `ask`, for a request with one result."""
        found = self.ask(request, who)
        if not isinstance(found, kind):
            raise TypeError(f"{type(request).__name__} is answered by a {type(found).__name__}")
        return found

    async def run(self, work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        """Return what `work` returns, from one of the page's threads."""
        return await anyio.to_thread.run_sync(partial(work, *args, **options))


def page_of(connection: HTTPConnection) -> Page:
    """Return what this request is to work with."""
    page: Page = connection.app.state.page
    return page


ThePage = Annotated[Page, Depends(page_of)]
"""The type of a route's parameter that is to be the `Page`."""
