"""What an operator gets back: which results there are, and which requests have many."""

from control.requests import (
    AccessSummary,
    CredentialSummary,
    Done,
    FetchChunks,
    FollowSession,
    IssuedCredential,
    ListAccess,
    ListCredentials,
    ListSecrets,
    ListSessions,
    ListUsers,
    LiveFrames,
    SearchHit,
    SearchSessions,
    SecretSummary,
    SecretTested,
    SessionSummary,
    Status,
    StoredChunk,
    UserSummary,
)

ManyRequest = (
    ListSecrets
    | ListUsers
    | ListAccess
    | ListCredentials
    | ListSessions
    | SearchSessions
    | FetchChunks
    | FollowSession
)
"""Answered by any number of results; every other request by exactly one."""

Result = (
    SecretSummary
    | SecretTested
    | UserSummary
    | AccessSummary
    | IssuedCredential
    | CredentialSummary
    | SessionSummary
    | SearchHit
    | StoredChunk
    | LiveFrames
    | Status
    | Done
)
