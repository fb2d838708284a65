"""`proxyd init` where a node runs already, over the real socket of its state directory."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

from click.testing import CliRunner

from config.model import Settings
from control.live import NoLiveSessions
from control.offline import open_operations
from control.operator_socket import OperatorSocket
from control.state_dir import Initialiser
from control.state_lock import hold
from proxyd.cli import main
from recorder.clock import SystemClock


async def nothing_is_live(_session: UUID) -> AsyncIterator[bytes]:
    for frame in list[bytes]():
        yield frame


async def test_a_node_may_be_set_up_again_while_it_runs(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path / "state")
    Initialiser(settings, SystemClock()).run()

    def init(*words: str) -> tuple[int, str]:
        environ = {"PROXYD_STATE_DIR": str(settings.state_dir)}
        typed = "Correct-Horse-9-Battery\n"
        told = CliRunner().invoke(main, ["init", *words], input=typed, env=environ)
        return told.exit_code, told.stderr

    admin = ("--admin", "root", "--password-stdin")
    live = NoLiveSessions()
    with hold(settings.state_dir), open_operations(settings, live) as operations:
        async with OperatorSocket(settings.state_dir, operations, nothing_is_live).serving():
            first = await asyncio.to_thread(init)
            second = await asyncio.to_thread(init, *admin)
            third = await asyncio.to_thread(init, *admin)
    assert first == (0, "everything was set up already\n")
    assert second == (0, "added the administrator root\n")
    assert third == first
