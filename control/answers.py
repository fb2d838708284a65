"""What an operator gets back: which results there are, and which requests have many."""

from collections.abc import Iterator

from control.account_requests import (
    IssuedToken,
    ListReachable,
    ListTokens,
    ReachableSecret,
    TokenSummary,
)
from control.approval_requests import AccessRequestSummary, ListAccessRequests
from control.audit_requests import AuditEntry, ListAudit
from control.bus_requests import DeadLetterSummary, ListDeadLetters
from control.command_requests import BecomeSummary, CommandSummary, ListCommands
from control.enrolment_requests import EngineSummary, ListEngines
from control.file_requests import FileRuleSummary, ListFileRules
from control.group_requests import GroupSummary, ListGroups
from control.launch_requests import IssuedLaunchLink
from control.live_requests import LiveFrames, LivePicture, LiveRequest
from control.node_requests import Status
from control.proof_requests import BundleSignature, LogChecked, SessionProof
from control.requests import (
    AccessSummary,
    CredentialSummary,
    Done,
    FetchChunks,
    IssuedCredential,
    ListAccess,
    ListCredentials,
    ListSecrets,
    ListSessions,
    ListUsers,
    OperatorRequest,
    SearchHit,
    SearchSessions,
    SecretSummary,
    SecretTested,
    SessionSummary,
    StoredChunk,
    UserSummary,
)
from control.retention_requests import (
    DeletedRecording,
    OrphanBlob,
    RetentionRule,
    RunRetention,
    ShowRetention,
    SweepBlobs,
)
from control.user_key_requests import ListUserKeys, UserKeySummary
from recorder.tree_head import TreeHead

ManyRequest = (
    ListSecrets
    | ListUsers
    | ListAccess
    | ListCredentials
    | ListEngines
    | ListSessions
    | SearchSessions
    | FetchChunks
    | LiveRequest
    | ListDeadLetters
    | ListAudit
    | ListTokens
    | ListReachable
    | ListUserKeys
    | ListAccessRequests
    | ListCommands
    | ListFileRules
    | ShowRetention
    | RunRetention
    | SweepBlobs
    | ListGroups
)
"""Answered by any number of results; every other request by exactly one."""

Result = (
    SecretSummary
    | SecretTested
    | UserSummary
    | AccessSummary
    | IssuedToken
    | IssuedLaunchLink
    | TokenSummary
    | ReachableSecret
    | UserKeySummary
    | AccessRequestSummary
    | CommandSummary
    | BecomeSummary
    | FileRuleSummary
    | IssuedCredential
    | CredentialSummary
    | EngineSummary
    | SessionSummary
    | SearchHit
    | StoredChunk
    | SessionProof
    | BundleSignature
    | LogChecked
    | TreeHead
    | LiveFrames
    | LivePicture
    | DeadLetterSummary
    | AuditEntry
    | RetentionRule
    | DeletedRecording
    | OrphanBlob
    | GroupSummary
    | Status
    | Done
)


def whole_answer(request: OperatorRequest, results: Iterator[Result]) -> Result | list[Result]:
    """Return all that came for `request`: a list where it may have many results."""
    if isinstance(request, ManyRequest):
        return list(results)
    [result] = results
    return result
