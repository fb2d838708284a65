"""Why a server ends a session, in the codes that clients show ([MS-RDPBCGR] 2.2.5.1.1)."""

import enum


class ErrorInfo(enum.IntEnum):
    """The codes that the proxy sends."""

    NONE = 0x0
    ADMINISTRATOR_DISCONNECT = 0x1
    """`ERRINFO_RPC_INITIATED_DISCONNECT`: an administrator ended it."""
    IDLE_TIMEOUT = 0x3
    LOGON_TIMEOUT = 0x4
    """`ERRINFO_LOGON_TIMEOUT`: the time limit of the session is over."""
    OUT_OF_MEMORY = 0x6
    DENIED = 0x7
    """`ERRINFO_SERVER_DENIED_CONNECTION`."""
    USER_DISCONNECT = 0xB
    """`ERRINFO_RPC_INITIATED_DISCONNECT_BYUSER`: the user ended it by other means."""
    TARGET_UNREACHABLE = 0x0400
    """`ERRINFO_CB_DESTINATION_NOT_FOUND`: a connection broker did not find the target."""
