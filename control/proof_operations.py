"""Carries out what operators ask about proof; see `control.operations`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from control import proof_requests as ask
from control.answers import Result
from control.audit import Act
from control.proofs import Proofs
from control.requests import Done
from control.storage_keys import StorageKeys
from recorder.tree_head import TreeHead


@dataclass(frozen=True)
class ProofOperations:
    """What speaks for recordings, and the keys that it rests on."""

    proofs: Proofs
    keys: StorageKeys
    act: Callable[[str], Act]

    def handlers(self) -> dict[type[Struct], Callable[[Any, str], Result]]:
        """Say which request is whose."""
        return {
            ask.FetchProof: self.prove,
            ask.SignBundle: self.sign_bundle,
            ask.CheckLog: self.check_log,
            ask.AskTreeHead: self.tree_head,
            ask.RotateRecordingKey: self.rotate_recording_key,
        }

    def prove(self, request: ask.FetchProof, _who: str) -> ask.SessionProof:
        """Show what speaks for a recording."""
        return self.proofs.of(request.id)

    def sign_bundle(self, request: ask.SignBundle, who: str) -> ask.BundleSignature:
        """Vouch for an exported recording."""
        return self.proofs.sign_bundle(request.id, request.manifest_sha256, self.act(who))

    def check_log(self, _request: ask.CheckLog, _who: str) -> ask.LogChecked:
        """Check the log of sessions."""
        return self.proofs.check_log()

    def tree_head(self, _request: ask.AskTreeHead, _who: str) -> TreeHead:
        """Show what the log is now."""
        return self.proofs.head()

    def rotate_recording_key(self, _request: ask.RotateRecordingKey, who: str) -> Done:
        """Make a new recording key."""
        key = self.keys.rotate_recording_key(self.act(who))
        return Done(
            detail=f"sessions from now on are recorded under key {key}; the old keys stay, to "
            "read what was recorded under them"
        )
