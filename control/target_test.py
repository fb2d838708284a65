"""Logs on to a target once, to see whether its secret works."""

import asyncio

from control.errors import UnreachableError
from control.ports import TargetLogin, TestedTarget
from recorder.session_info import TargetProtocol


class OneDial:
    """`control.ports.TargetTester` with an event loop of its own, where no node runs one."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s

    def test(self, login: TargetLogin) -> TestedTarget:
        """Dial, check the host key, log on, leave."""
        return asyncio.run(log_on_once(login, self._limit_s))


async def log_on_once(login: TargetLogin, limit_s: float) -> TestedTarget:
    """Return how it went; raise `UnreachableError` for a protocol that cannot be tested."""
    # Every command line imports this module; few dial, and asyncssh takes its time.
    from protocols.errors import TargetUnreachableError  # noqa: PLC0415
    from protocols.ssh.channel_wiring import ChannelWiring  # noqa: PLC0415
    from protocols.ssh.target import HostKeys, line_of  # noqa: PLC0415

    if login.target.protocol is not TargetProtocol.SSH:
        raise UnreachableError(f"{login.target.protocol} targets cannot be tested yet")
    keys = HostKeys(
        login.host_key_policy,
        login.host_keys,
        _accept_unpinned,
        secret_name=login.secret_name,
    )
    ok, detail = True, "the target took the stored credential"
    try:
        leg = await ChannelWiring().dial(login.target, login.credential, keys, limit_s)
        leg.abort()
    except TargetUnreachableError as error:
        ok, detail = False, str(error)
    shown = None if keys.came is None else line_of(keys.came)
    return TestedTarget(ok=ok, detail=detail, host_key=shown)


async def _accept_unpinned(host_key: str) -> tuple[str, ...]:
    """Let a key seen first pass; only a session pins it."""
    return (host_key,)
