"""Carries out what operators ask about the node itself; see `control.operations`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from control import node_requests as ask
from control.answers import Result
from control.audit import Act
from control.ports import NodeStatus
from control.requests import Done
from control.vault import Vault
from storage.database import Database


@dataclass(frozen=True)
class NodeOperations:
    """The node itself."""

    vault: Vault
    database: Database
    act: Callable[[str], Act]
    tell: NodeStatus

    def handlers(self) -> dict[type[Struct], Callable[[Any, str], Result]]:
        """Say which request is whose."""
        return {ask.RotateMasterKey: self.rotate, ask.AskStatus: self.status}

    def rotate(self, _request: ask.RotateMasterKey, who: str) -> Done:
        """Make a new master key and wrap every key with it."""
        key_id, rewrapped = self.vault.rotate(self.database, self.act(who))
        return Done(
            detail=f"{rewrapped} keys are wrapped by master key {key_id} now: keep a copy of "
            "it elsewhere, and destroy the copies of the old one"
        )

    def status(self, _request: ask.AskStatus, _who: str) -> ask.Status:
        """Say how the node is."""
        return self.tell()
