"""The API: which path is which request, who may, and what comes back. One table.

Each call is a request of `control.requests`, carried out as for the command line. Fields
come from the path, from the query (GET, DELETE) or from a JSON object (the rest).
"""

from typing import Any, Final, NamedTuple

from msgspec import Struct

from control import account_requests as account
from control import approval_requests as approval
from control import bus_requests as bus
from control import command_requests as commands
from control import enrolment_requests as enrolment
from control import file_requests as files
from control import group_requests as group
from control import node_requests as node
from control import pause_requests as pause
from control import proof_requests as proof
from control import requests as ask
from control import retention_requests as retention
from control import user_key_requests as keys
from control.audit_requests import AuditEntry, ListAudit
from control.launch_requests import IssuedLaunchLink, MakeLaunchLink
from control.rights import Right
from recorder.tree_head import TreeHead

PREFIX: Final = "/api/v1"


class Call(NamedTuple):
    """One path and method of the API."""

    method: str
    path: str
    request: type[Struct]
    right: Right
    answer: Any = ask.Done
    """A struct, or `list[…]` of them."""
    own: str = ""
    """The field that is always the one who asks, whatever he sends."""
    login: str = ""
    """The field that is always the log-in or token that he asks by."""
    proof: bool = False
    """Whether he must have given his password a short while ago, or has a token."""
    person: bool = False
    """Whether no token will do."""


_SETUP, _MANAGE, _SESSIONS = Right.SEE_SETUP, Right.MANAGE, Right.SEE_SESSIONS
_Asked = approval.AccessRequestSummary
_VIEW = Right.SEE_RECORDINGS
_Command = commands.CommandSummary
_Become = commands.BecomeSummary
_FileRule = files.FileRuleSummary
_STEER, _USE, _ONESELF = Right.STEER_SESSIONS, Right.USE_SECRETS, Right.ONESELF

CALLS: Final[tuple[Call, ...]] = (
    Call("GET", "/secrets", ask.ListSecrets, _SETUP, list[ask.SecretSummary]),
    Call("POST", "/secrets", ask.AddSecret, _MANAGE, ask.SecretSummary),
    Call("GET", "/secrets/{name}", ask.ShowSecret, _SETUP, ask.SecretSummary),
    Call("PATCH", "/secrets/{name}", ask.EditSecret, _MANAGE, ask.SecretSummary),
    Call("DELETE", "/secrets/{name}", ask.RemoveSecret, _MANAGE),
    Call("POST", "/secrets/{name}/test", ask.TestSecret, _MANAGE, ask.SecretTested),
    Call("GET", "/users", ask.ListUsers, _SETUP, list[ask.UserSummary]),
    Call("POST", "/users", ask.AddUser, _MANAGE, ask.UserSummary),
    Call("POST", "/users/{name}/disable", ask.DisableUser, _MANAGE),
    Call("POST", "/users/{name}/enable", account.EnableUser, _MANAGE),
    Call("PUT", "/users/{name}/role", account.SetRole, _MANAGE, ask.UserSummary),
    Call("PUT", "/users/{name}/password", account.SetPassword, _MANAGE),
    Call("DELETE", "/users/{name}/second-factor", account.ResetSecondFactor, _MANAGE),
    Call("GET", "/users/{user}/keys", keys.ListUserKeys, _SETUP, list[keys.UserKeySummary]),
    Call("POST", "/users/{user}/keys", keys.AddUserKey, _MANAGE, keys.UserKeySummary),
    Call("DELETE", "/users/{user}/keys", keys.RemoveUserKey, _MANAGE),
    Call("PUT", "/users/{user}/ssh-login", keys.SetSSHLogin, _MANAGE),
    Call("GET", "/access", ask.ListAccess, _SETUP, list[ask.AccessSummary]),
    Call("PUT", "/access/{user}/{secret}", ask.GrantAccess, _MANAGE, ask.AccessSummary),
    Call("DELETE", "/access/{user}/{secret}", ask.RevokeAccess, _MANAGE),
    Call("GET", "/groups", group.ListGroups, _SETUP, list[group.GroupSummary]),
    Call("POST", "/groups", group.AddGroup, _MANAGE, group.GroupSummary),
    Call("DELETE", "/groups/{name}", group.RemoveGroup, _MANAGE),
    Call("PUT", "/groups/{group}/users/{user}", group.JoinGroup, _MANAGE),
    Call("DELETE", "/groups/{group}/users/{user}", group.LeaveGroup, _MANAGE),
    Call("PUT", "/groups/{group}/secrets/{secret}", group.GrantToGroup, _MANAGE),
    Call("DELETE", "/groups/{group}/secrets/{secret}", group.RevokeFromGroup, _MANAGE),
    Call("PUT", "/secrets/{secret}/demands", approval.SetDemands, _MANAGE),
    Call(
        "GET",
        "/secrets/{secret}/commands",
        commands.ListCommands,
        _SETUP,
        list[commands.CommandSummary],
    ),
    Call("PUT", "/secrets/{secret}/rules/{name}", commands.BlockCommand, _MANAGE, _Command),
    Call("PUT", "/secrets/{secret}/menu/{name}", commands.AllowCommand, _MANAGE, _Command),
    Call("DELETE", "/secrets/{secret}/commands/{name}", commands.ForgetCommand, _MANAGE),
    Call("GET", "/secrets/{secret}/become", commands.ShowBecome, _SETUP, _Become),
    Call("PUT", "/secrets/{secret}/become", commands.SetBecome, _MANAGE, _Become),
    Call("GET", "/secrets/{secret}/files", files.ListFileRules, _SETUP, list[_FileRule]),
    Call("PUT", "/secrets/{secret}/files/{name}", files.PutFileRule, _MANAGE, _FileRule),
    Call("PUT", "/secrets/{secret}/kept-files", files.KeepFiles, _MANAGE),
    Call("DELETE", "/secrets/{secret}/files/{name}", files.ForgetFileRule, _MANAGE),
    Call("GET", "/access-requests", approval.ListAccessRequests, _SETUP, list[_Asked]),
    Call("POST", "/access-requests", approval.RequestAccess, _MANAGE, _Asked),
    Call("POST", "/access-requests/{id}/approve", approval.ApproveAccess, _MANAGE, _Asked),
    Call("POST", "/access-requests/{id}/deny", approval.DenyAccess, _MANAGE, _Asked),
    Call("POST", "/access-requests/{id}/withdraw", approval.WithdrawAccess, _MANAGE),
    Call("POST", "/viewing-requests/{id}/approve", approval.ApproveViewing, _VIEW, _Asked),
    Call("POST", "/viewing-requests/{id}/deny", approval.DenyViewing, _VIEW, _Asked),
    Call("GET", "/credentials", ask.ListCredentials, _SETUP, list[ask.CredentialSummary]),
    Call("POST", "/credentials", ask.IssueCredential, _MANAGE, ask.IssuedCredential),
    Call("DELETE", "/credentials/{id}", ask.RevokeCredential, _MANAGE),
    Call("GET", "/sessions", ask.ListSessions, _SESSIONS, list[ask.SessionSummary]),
    Call("GET", "/sessions/{id}", ask.ShowSession, _SESSIONS, ask.SessionSummary),
    Call("GET", "/sessions/{id}/proof", proof.FetchProof, _SESSIONS, proof.SessionProof),
    Call("POST", "/sessions/{id}/terminate", ask.TerminateSession, _STEER),
    Call("POST", "/sessions/{id}/message", ask.MessageSession, _STEER),
    Call("POST", "/sessions/{id}/pause", pause.PauseSession, _STEER),
    Call("POST", "/sessions/{id}/resume", pause.ResumeSession, _STEER),
    Call("PUT", "/sessions/{id}/hold", retention.HoldSession, _MANAGE),
    Call("DELETE", "/sessions/{id}/hold", retention.ReleaseSession, _MANAGE),
    Call(
        "GET",
        "/search",
        ask.SearchSessions,
        Right.SEE_RECORDINGS,
        list[ask.SearchHit],
        proof=True,
    ),
    Call("GET", "/engines", enrolment.ListEngines, _SETUP, list[enrolment.EngineSummary]),
    Call(
        "POST",
        "/engines/{id}/approve",
        enrolment.ApproveEngine,
        _MANAGE,
        enrolment.EngineSummary,
    ),
    Call("POST", "/engines/{id}/revoke", enrolment.RevokeEngine, _MANAGE),
    Call("GET", "/audit", ListAudit, Right.SEE_AUDIT, list[AuditEntry]),
    Call("GET", "/status", node.AskStatus, Right.SEE_STATUS, node.Status),
    Call("GET", "/log/head", proof.AskTreeHead, Right.SEE_STATUS, TreeHead),
    Call("GET", "/log/check", proof.CheckLog, Right.SEE_STATUS, proof.LogChecked),
    Call("POST", "/keys/master/rotate", node.RotateMasterKey, _MANAGE),
    Call("POST", "/keys/recording/rotate", proof.RotateRecordingKey, _MANAGE),
    Call("POST", "/keys/control/rotate", enrolment.RotateControlKey, _MANAGE),
    Call("POST", "/keys/storage/rotate", enrolment.RotateStorageKey, _MANAGE),
    Call("GET", "/dead-letters", bus.ListDeadLetters, _SETUP, list[bus.DeadLetterSummary]),
    Call("POST", "/dead-letters/replay", bus.ReplayDeadLetters, _MANAGE),
    Call("POST", "/dead-letters/discard", bus.DiscardDeadLetters, _MANAGE),
    Call("GET", "/retention", retention.ShowRetention, _SETUP, list[retention.RetentionRule]),
    Call("PUT", "/retention", retention.SetRetention, _MANAGE),
    Call("DELETE", "/retention", retention.UnsetRetention, _MANAGE),
    Call(
        "POST",
        "/retention/run",
        retention.RunRetention,
        _MANAGE,
        list[retention.DeletedRecording],
    ),
    Call("POST", "/blobs/sweep", retention.SweepBlobs, _MANAGE, list[retention.OrphanBlob]),
    Call("GET", "/tokens", account.ListTokens, _SETUP, list[account.TokenSummary]),
    Call("DELETE", "/tokens/{id}", account.RevokeToken, _MANAGE),
    Call(
        "GET",
        "/me/secrets",
        account.ListReachable,
        _USE,
        list[account.ReachableSecret],
        own="user",
    ),
    Call("PUT", "/me/secrets/{secret}/favourite", account.SetFavourite, _USE, own="user"),
    Call(
        "GET",
        "/me/credentials",
        ask.ListCredentials,
        _USE,
        list[ask.CredentialSummary],
        own="user",
    ),
    Call(
        "POST", "/me/credentials", ask.IssueCredential, _USE, ask.IssuedCredential, own="user"
    ),
    Call(
        "POST",
        "/me/launches",
        MakeLaunchLink,
        _USE,
        IssuedLaunchLink,
        own="user",
        login="login",
    ),
    Call("DELETE", "/me/credentials/{id}", ask.RevokeCredential, _USE, own="user"),
    Call(
        "GET",
        "/me/access-requests",
        approval.ListAccessRequests,
        _USE,
        list[_Asked],
        own="user",
    ),
    Call("POST", "/me/access-requests", approval.RequestAccess, _USE, _Asked, own="user"),
    Call("POST", "/me/viewing-requests", approval.RequestViewing, _VIEW, _Asked, own="user"),
    Call(
        "POST", "/me/access-requests/{id}/withdraw", approval.WithdrawAccess, _USE, own="user"
    ),
    Call(
        "GET",
        "/me/tokens",
        account.ListTokens,
        _ONESELF,
        list[account.TokenSummary],
        own="user",
    ),
    Call(
        "POST",
        "/me/tokens",
        account.CreateToken,
        _ONESELF,
        account.IssuedToken,
        own="user",
        proof=True,
        person=True,
    ),
    Call("DELETE", "/me/tokens/{id}", account.RevokeToken, _ONESELF, own="user"),
)
