"""Logs on to a target once, to see whether its secret works."""

import asyncio
from typing import Final

from config.model import RDPSettings
from control.ports import TargetLogin, TestedTarget
from recorder.session_info import TargetProtocol

_TAKEN: Final = "the target took the stored credential"


class OneDial:
    """`control.ports.TargetTester` with an event loop of its own, where no node runs one."""

    def __init__(self, limit_s: float, rdp: RDPSettings) -> None:
        self._limit_s, self._rdp = limit_s, rdp

    def test(self, login: TargetLogin) -> TestedTarget:
        """Dial, check the host key or certificate, log on, leave."""
        if login.target.protocol is TargetProtocol.RDP:
            return asyncio.run(log_on_to_desktop(login, self._rdp))
        return asyncio.run(log_on_once(login, self._limit_s))


async def log_on_once(login: TargetLogin, limit_s: float) -> TestedTarget:
    """Return how it went with an SSH target."""
    # Every command line imports this module; few dial, and asyncssh takes its time.
    from protocols.errors import (  # noqa: PLC0415
        CredentialRefusedError,
        TargetUnreachableError,
    )
    from protocols.ssh.channel_wiring import ChannelWiring  # noqa: PLC0415
    from protocols.ssh.target import HostKeys, line_of  # noqa: PLC0415

    keys = HostKeys(
        login.host_key_policy,
        login.host_keys,
        _accept_unpinned,
        secret_name=login.secret_name,
    )
    ok, refused, detail = True, False, _TAKEN
    try:
        leg = await ChannelWiring().dial(login.target, login.credential, keys, limit_s)
        leg.abort()
    except TargetUnreachableError as error:
        refused = isinstance(error, CredentialRefusedError)
        ok, detail = False, str(error)
    shown = None if keys.came is None else line_of(keys.came)
    return TestedTarget(ok=ok, refused=refused, detail=detail, host_key=shown)


async def log_on_to_desktop(login: TargetLogin, settings: RDPSettings) -> TestedTarget:
    """Return how it went with an RDP target."""
    from protocols.errors import (  # noqa: PLC0415
        CredentialRefusedError,
        TargetUnreachableError,
    )
    from protocols.rdp.certificates import TargetCertificates  # noqa: PLC0415
    from protocols.rdp.channel_policy import OLD_TLS  # noqa: PLC0415
    from protocols.rdp.dialler import dial  # noqa: PLC0415
    from protocols.rdp.probe import Probe  # noqa: PLC0415
    from protocols.rdp.tickets import opened  # noqa: PLC0415
    from protocols.rdp.wire.ts_request import PasswordCredentials  # noqa: PLC0415

    certificates = TargetCertificates(
        login.host_key_policy,
        login.host_keys,
        _accept_unpinned,
        secret_name=login.secret_name,
        old_tls=OLD_TLS in login.channels,
    )
    credential = PasswordCredentials(
        domain=login.credential.domain or "",
        username=login.credential.username,
        password=login.credential.password or "",
    )
    host = login.target.host
    probe = Probe(credential, host, await opened(credential, host, settings))
    ok, refused, detail = True, False, _TAKEN
    try:
        leg = await dial(login.target, probe, certificates, settings)
        leg.abort()
    except TargetUnreachableError as error:
        refused = isinstance(error, CredentialRefusedError)
        ok, detail = False, str(error)
    if ok and not probe.proved:
        detail = (
            "the target was reached and its certificate accepted; it does not offer NLA, so "
            "only a session shows whether it takes the credential"
        )
    return TestedTarget(ok=ok, refused=refused, detail=detail, host_key=certificates.came)


async def _accept_unpinned(host_key: str) -> tuple[str, ...]:
    """Let a key seen first pass; only a session pins it."""
    return (host_key,)
