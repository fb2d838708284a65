"""Carries out what operators ask for.

One class a noun; each act is audited in its own transaction. It blocks: call it on threads.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from control import credentials, logins, ports, secrets, sessions, users
from control import dead_letter_operations as letters
from control import requests as ask
from control.access_operations import AccessOperations
from control.account_operations import AccountOperations
from control.answers import Result
from control.approval_operations import ApprovalOperations
from control.audit import Act, AuditOperations
from control.command_operations import CommandOperations
from control.credential_operations import CredentialOperations
from control.credentials import Gateways
from control.enrolment_operations import EnrolmentOperations
from control.errors import ConflictError, ControlError, UnreachableError
from control.file_operations import FileOperations
from control.group_operations import GroupOperations
from control.launch_operations import LaunchOperations
from control.live_requests import FollowSession, LiveRequest, WatchDesktop
from control.node_operations import NodeOperations
from control.pause_operations import PauseOperations
from control.proof_operations import ProofOperations
from control.proofs import Proofs
from control.retention import RetentionOperations
from control.storage_keys import StorageKeys
from control.trust import ControlKeyFile
from control.user_key_operations import UserKeyOperations
from control.vault import Vault
from recorder.ports import Clock
from recorder.session_info import TargetProtocol
from storage.database import Database
from storage.errors import StorageError
from storage.retention import Retention
from storage.tables import SessionRow

_END_PAUSES_S = (0.2, 0.8)


@dataclass(frozen=True, kw_only=True)
class ControlNode:
    """What operations work on."""

    database: Database
    vault: Vault
    control_key: ControlKeyFile
    clock: Clock
    gateways: Gateways
    live: ports.LiveSessions
    search: ports.SessionSearch
    chunks: ports.ChunkReader
    proofs: Proofs
    keys: StorageKeys
    tester: ports.TargetTester
    status: ports.NodeStatus
    retention: Retention
    dead_letters: letters.Letters | None = None

    def act(self, who: str) -> Act:
        """Return `who`, acting now."""
        return Act(who, self.clock.now())

    def end(self, rows: list[SessionRow], reason: str) -> None:
        """End live sessions; raise `UnreachableError` naming those that could not be ended.

        Call it after the commit that forbids them: no new one starts meanwhile.
        """
        failed = self._terminate(rows, reason)
        for pause_s in _END_PAUSES_S:
            if not failed:
                return
            # One may just have ended, or be so new that its engine is yet to hear of it.
            time.sleep(pause_s)
            failed = self._terminate([row for row, _ in failed if self._is_live(row)], reason)
        if failed:
            raise UnreachableError(
                f"{reason}, but {len(failed)} of {len(rows)} live sessions could not be ended: "
                + "; ".join(f"session {row.id}: {error}" for row, error in failed)
            )

    def _terminate(self, rows: list[SessionRow], reason: str) -> list[tuple[SessionRow, str]]:
        failed = []
        for row in rows:
            try:
                self.live.terminate(row.engine, row.id, reason)
            except UnreachableError as error:
                failed.append((row, str(error)))
        return failed

    def _is_live(self, row: SessionRow) -> bool:
        with self.database.read() as session:
            return sessions.find(session, row.id).state == "live"


class Operations:
    """Carries out each request by its type."""

    def __init__(self, node: ControlNode) -> None:
        self.node = node
        self.launches = LaunchOperations(node.database, node.vault, node.gateways, node.act)
        """Also what whoever follows a launch link is let in by: he is no operator."""
        nouns = (
            SecretOperations(node),
            UserOperations(node),
            AccessOperations(node.database, node.act, node.end),
            CredentialOperations(node.database, node.vault, node.gateways, node.act, node.end),
            SessionOperations(node),
            EnrolmentOperations(node.database, node.control_key, node.keys, node.act, node.end),
            NodeOperations(node.vault, node.database, node.act, node.status),
            letters.of(node.dead_letters, node.database, node.act),
            ProofOperations(node.proofs, node.keys, node.act),
            AuditOperations(node.database),
            UserKeyOperations(node.database, node.act),
            ApprovalOperations(node.database, node.act, node.end),
            RetentionOperations(node.database, node.retention, node.act),
            PauseOperations(node.database, node.live, node.act),
            CommandOperations(node.database, node.act),
            FileOperations(node.database, node.act),
            AccountOperations(node.database, node.act),
            self.launches,
            GroupOperations(node.database, node.act, node.end),
        )
        pairs = (pair for noun in nouns for pair in noun.handlers().items())
        self._handlers: dict[type[Struct], _Handler] = dict(pairs)

    def carry_out(self, request: ask.OperatorRequest, who: str) -> Iterator[Result]:
        """Yield the results; raise the errors of `control.errors`.

        Nothing happens before the first is asked for; a `LiveRequest` gets its from the socket.
        """
        try:
            result = self._handlers[type(request)](request, who)
            yield from (result,) if isinstance(result, Struct) else result
        except StorageError as error:
            raise ControlError(str(error)) from error


_Handler = Callable[[Any, str], Result | Iterable[Result]]


@dataclass(frozen=True)
class SecretOperations:
    """Secrets."""

    node: ControlNode

    def handlers(self) -> dict[type[Struct], _Handler]:
        """Say which request is whose."""
        return {
            ask.AddSecret: self.add,
            ask.EditSecret: self.edit,
            ask.ListSecrets: self.list,
            ask.ShowSecret: self.show,
            ask.RemoveSecret: self.remove,
            ask.TestSecret: self.test,
        }

    def add(self, request: ask.AddSecret, who: str) -> ask.SecretSummary:
        """Put a secret into the vault."""
        act = self.node.act(who)
        with self.node.database.transaction() as session:
            summary = secrets.add(session, self.node.vault, request, act.at)
            act.note(session, "secret.added", request.name, f"{summary.host}:{summary.port}")
        return summary

    def edit(self, request: ask.EditSecret, who: str) -> ask.SecretSummary:
        """Change a secret."""
        act = self.node.act(who)
        with self.node.database.transaction() as session:
            summary = secrets.edit(session, self.node.vault, request, act.at)
            act.note(session, "secret.edited", request.name, f"{summary.host}:{summary.port}")
        return summary

    def list(self, _request: ask.ListSecrets, _who: str) -> Iterable[ask.SecretSummary]:
        """List all."""
        with self.node.database.read() as session:
            return secrets.list_all(session)

    def show(self, request: ask.ShowSecret, _who: str) -> ask.SecretSummary:
        """Show one."""
        with self.node.database.read() as session:
            return secrets.summary(secrets.find(session, request.name))

    def remove(self, request: ask.RemoveSecret, who: str) -> ask.Done:
        """Forget a secret and end its sessions."""
        act = self.node.act(who)
        with self.node.database.transaction() as session:
            secrets.remove(session, request.name)
            ending = sessions.live_of(session, secret=request.name)
            act.note(session, "secret.removed", request.name)
        self.node.end(ending, "the secret was removed")
        return ask.Done()

    def test(self, request: ask.TestSecret, who: str) -> ask.SecretTested:
        """Log on to a target once."""
        act = self.node.act(who)
        with self.node.database.transaction() as session:
            row = secrets.find(session, request.name)
            login = ports.TargetLogin(
                secret_name=row.name,
                target=secrets.target(row),
                credential=self.node.vault.open(row),
                host_key_policy=secrets.summary(row).host_key_policy,
                host_keys=secrets.host_keys(row),
                channels=secrets.summary(row).channels,
            )
            act.note(session, "secret.tested", request.name)
        tested = self.node.tester.test(login)
        return ask.SecretTested(
            name=request.name,
            ok=tested.ok,
            refused=tested.refused,
            detail=tested.detail,
            host_key=tested.host_key,
        )


@dataclass(frozen=True)
class UserOperations:
    """Users."""

    node: ControlNode

    def handlers(self) -> dict[type[Struct], _Handler]:
        """Say which request is whose."""
        return {ask.AddUser: self.add, ask.ListUsers: self.list, ask.DisableUser: self.disable}

    def add(self, request: ask.AddUser, who: str) -> ask.UserSummary:
        """Let a person in."""
        act = self.node.act(who)
        password_hash = users.hash_password(request.password)
        with self.node.database.transaction() as session:
            summary = users.add(session, request, password_hash, act.at)
            act.note(session, "user.added", request.name, request.role)
        return summary

    def list(self, _request: ask.ListUsers, _who: str) -> Iterable[ask.UserSummary]:
        """List all."""
        with self.node.database.read() as session:
            return users.list_all(session)

    def disable(self, request: ask.DisableUser, who: str) -> ask.Done:
        """Shut a person out, at once."""
        act = self.node.act(who)
        with self.node.database.transaction() as session:
            row = users.disable(session, request.name)
            logins.end_all(session, row.id)
            credentials.revoke_all(session, act.at, user_id=row.id)
            ending = sessions.live_of(session, user=request.name)
            act.note(session, "user.disabled", request.name)
        self.node.end(ending, "the user was disabled")
        return ask.Done()


@dataclass(frozen=True)
class SessionOperations:
    """Sessions and their recordings. Whoever reads one leaves a trace."""

    node: ControlNode

    def handlers(self) -> dict[type[Struct], _Handler]:
        """Say which request is whose."""
        return {
            ask.ListSessions: self.list,
            ask.ShowSession: self.show,
            ask.SearchSessions: self.search,
            ask.FetchChunks: self.fetch,
            FollowSession: self.follow,
            WatchDesktop: self.follow,
            ask.TerminateSession: self.terminate,
            ask.MessageSession: self.message,
        }

    def list(self, request: ask.ListSessions, _who: str) -> Iterable[ask.SessionSummary]:
        """List them, newest first."""
        with self.node.database.read() as session:
            return sessions.list_all(session, request)

    def show(self, request: ask.ShowSession, _who: str) -> ask.SessionSummary:
        """Show one."""
        with self.node.database.read() as session:
            return sessions.summary(sessions.find(session, request.id))

    def search(self, request: ask.SearchSessions, who: str) -> Iterable[ask.SearchHit]:
        """Find text in recordings."""
        act = self.node.act(who)
        with self.node.database.transaction() as session:
            act.note(session, "session.searched", ",".join(request.kinds), request.text)
        return self.node.search.search(request.text, request.kinds, request.limit)

    def fetch(self, request: ask.FetchChunks, who: str) -> Iterable[ask.StoredChunk]:
        """Hand out a recording."""
        act = self.node.act(who)
        with self.node.database.transaction() as session:
            sessions.find_recording(session, request.id)
            act.note(session, "session.read", str(request.id))
        return self.node.chunks.chunks(request.id, request.from_sequence)

    def follow(self, request: LiveRequest, who: str) -> Iterable[Result]:
        """Admit a watcher; the frames themselves come from the session's engine."""
        act = self.node.act(who)
        with self.node.database.transaction() as session:
            row = sessions.find_live(session, request.id)
            if isinstance(request, WatchDesktop) and row.protocol != TargetProtocol.RDP:
                raise ConflictError(f"session {row.id} is no desktop: follow its frames")
            act.note(session, "session.followed", str(request.id))
        return ()

    def terminate(self, request: ask.TerminateSession, who: str) -> ask.Done:
        """End a live session."""
        act = self.node.act(who)
        with self.node.database.transaction() as session:
            row = sessions.find_live(session, request.id)
            act.note(session, "session.terminated", str(request.id), request.reason)
        self.node.live.terminate(row.engine, row.id, request.reason)
        return ask.Done()

    def message(self, request: ask.MessageSession, who: str) -> ask.Done:
        """Show a line in a user's terminal."""
        act = self.node.act(who)
        with self.node.database.transaction() as session:
            row = sessions.find_live(session, request.id)
            act.note(session, "session.messaged", str(request.id), request.text)
        self.node.live.message(row.engine, row.id, request.text)
        return ask.Done()
