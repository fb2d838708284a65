"""Who did what: one row an act, in the transaction of the act itself.

Logs are not this. A row is as durable as what it tells of.
"""

import datetime as dt
import pwd

from sqlalchemy.orm import Session

from storage.tables import AuditRow


class Act:
    """Someone acting now; writes down what they do."""

    def __init__(self, who: str, at: dt.datetime) -> None:
        self.who = who
        self.at = at

    def note(self, session: Session, action: str, subject: str, detail: str = "") -> None:
        """Write down that `action` (`noun.past_verb`) happened to `subject`."""
        session.add(
            AuditRow(at=self.at, who=self.who, action=action, subject=subject, detail=detail)
        )


def operator_name(uid: int) -> str:
    """Return the OS user name of `uid`, as the audit trail names an operator."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
