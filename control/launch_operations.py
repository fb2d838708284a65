"""Makes launch links, and gives whoever follows one what a client is started with.

INVARIANT: whoever may not follow a link is not told why. The audit trail is.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec import Struct
from sqlalchemy.orm import Session

from control import approvals, credentials, engines, launch_links
from control.audit import Act
from control.credentials import Gateways
from control.errors import ConflictError, DeniedError, NotFoundError
from control.launch_requests import IssuedLaunchLink, LaunchedClient, MakeLaunchLink
from control.log_in import Origin
from control.throttle import Throttle
from control.vault import Vault
from storage.database import Database

_FREE_TRIES: Final = 30
"""An office behind one address follows a few old links an hour. Nobody guesses 192 bits: this
keeps whoever tries from filling the audit trail."""
_NOTICE: Final = "This session is recorded."


class LinkRefused(Struct, frozen=True, kw_only=True):
    """The link starts nothing, whatever the reason."""

    wait_s: float = 0.0
    """How long whoever fails again from there is told so."""


@dataclass(frozen=True)
class LaunchOperations:
    """Launch links. May be used from any thread."""

    database: Database
    vault: Vault
    gateways: Gateways
    act: Callable[[str], Act]
    _failures: Throttle = field(default_factory=lambda: Throttle(_FREE_TRIES))

    def handlers(self) -> dict[type[Struct], Callable[[Any, str], Any]]:
        """Say which request is whose."""
        return {MakeLaunchLink: self.make}

    def make(self, request: MakeLaunchLink, who: str) -> IssuedLaunchLink:
        """Make a link."""
        act = self.act(who)
        with self.database.transaction() as session:
            approvals.check_demands(session, launch_links.credential(request), act)
            link = launch_links.make(session, self.gateways, request, act.at)
            act.note(session, "launch_link.made", link.secret, f"for {request.user}")
        return link

    def redeem(self, token: str, origin: Origin) -> LaunchedClient | LinkRefused:
        """Use a link up; return what a client is started with, or that there is nothing.

        Whoever fails waits, and nobody else of his origin whose link is good. Blocking.
        """
        stranger = self.act("stranger")
        wait_s = self._failures.wait_s(origin.network, stranger.at)
        with self.database.read() as session:
            whose = launch_links.whose(session, token)
        launched = None
        if whose is not None:
            with self.database.transaction() as session:
                launched = self._redeemed(session, token, whose, origin)
        elif not wait_s:
            with self.database.transaction() as session:
                stranger.note(session, "launch_link.refused", "(not a link)", str(origin))
        if launched is None:
            if not wait_s:
                self._failures.failed(origin.network, stranger.at)
            return LinkRefused(wait_s=wait_s)
        return launched

    def _redeemed(
        self, session: Session, token: str, whose: tuple[str, str], origin: Origin
    ) -> LaunchedClient | None:
        """Return what is started; None, with the link used up, where somebody may not."""
        user, secret = whose
        act = self.act(user)
        try:
            taken = launch_links.take(session, token, act.at)
            until = approvals.check_pair(session, taken.wanted, act)
            issued = credentials.issue(
                session, self.vault, self.gateways, taken.wanted, act.at, until=until
            )
        except (ConflictError, DeniedError, NotFoundError) as error:
            act.note(session, "launch_link.refused", secret, f"{error} {origin}")
            return None
        act.note(session, "launch_link.redeemed", secret, str(origin))
        detail = f"for {user} to {secret}, by a launch link"
        act.note(session, "credential.issued", issued.id, detail)
        host_keys, fingerprints = engines.shown_by_gateways(session, taken.site)
        return LaunchedClient(
            kind=issued.protocol,
            secret=secret,
            host=issued.host,
            port=issued.port,
            username=issued.username,
            password=issued.password,
            expires_at=issued.expires_at,
            channels=issued.channels,
            host_keys=host_keys,
            certificate_fingerprints=fingerprints,
            notice=_NOTICE,
        )
