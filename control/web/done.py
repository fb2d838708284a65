"""What a page says after an act.

The address holds the word on the left only: no link can make a page say something else.
"""

from typing import Final

DONE: Final = {
    "added": "Added.",
    "saved": "Saved.",
    "removed": "Removed.",
    "granted": "Access granted.",
    "revoked": "Revoked.",
    "disabled": "Disabled, and logged out.",
    "enabled": "Enabled.",
    "reset": "Reset: a second factor is enrolled anew at the next log-in.",
    "approved": "Approved.",
    "changed": "Changed.",
    "ended": "Logged out everywhere else.",
    "told": "The line is in the user's terminal.",
    "asked": "Asked: another person decides. You see the answer under Requests.",
    "denied": "Denied.",
    "withdrawn": "Withdrawn.",
    "terminated": "The session was ended.",
}
