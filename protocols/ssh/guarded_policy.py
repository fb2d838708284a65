"""What may be opened and asked for where a secret has a word to say about commands or files."""

import re
from typing import Final

from bus.become import account_of
from bus.command_rules import CommandControl, PatternError, RuleAction
from bus.file_rules import GlobError
from protocols.ssh.channel_policy import ChannelPolicy
from protocols.ssh.commands.rules import Found, Rules
from protocols.ssh.packets import Reader
from protocols.ssh.transfers.requests import Transfers

_OF_A_MENU: Final = frozenset(
    {
        *("exec", "pty-req", "env", "window-change", "signal", "break", "xon-xoff"),
        *("eow@openssh.com", "keepalive@openssh.com", "exit-status"),
        "simple@putty.projects.tartarus.org",
        "winadj@putty.projects.tartarus.org",
    }
)
_HARMLESS_VARIABLES: Final = re.compile("LANG|LANGUAGE|LC_[A-Z_]+|TERM")
"""`TERMINFO`, for one, names a file of the user's for programs to read."""

_STARTS: Final = frozenset({"shell", "exec", "subsystem"})
_PASSES: Final = frozenset({RuleAction.ALERT, RuleAction.HOLD})
"""As far as the policy goes: what waits for approval waits in the relay."""
_ONCE: Final = "this secret lets one thing be started on a channel"
_UNJUDGED: Final = (
    "this secret has rules about commands or files, or becomes somebody else, and this "
    "gateway's relay cannot see to that: have [ssh] relay set to packet"
)


def policy_for(
    allowed: frozenset[str], control: CommandControl, become: str, *, judged: bool
) -> ChannelPolicy:
    """Return the policy of a secret; raise `PatternError` where it cannot be kept to.

    `become` is what makes another account of the one that logs on; empty: nothing does.
    `judged` says whether the relay judges commands.
    """
    if not control.says_something and not become:
        return ChannelPolicy(allowed)
    if not judged:
        raise PatternError(_UNJUDGED)
    try:
        return GuardedPolicy(allowed, control, become)
    except GlobError as error:
        raise PatternError(str(error)) from error


class GuardedPolicy(ChannelPolicy):
    """A secret's `channels`, and beyond them its block list and its menu."""

    def __init__(
        self, allowed: frozenset[str], control: CommandControl, become: str = ""
    ) -> None:
        """Make one; raise `PatternError` or `GlobError` where a pattern is none."""
        super().__init__(allowed | {"exec"} if control.menu else allowed)
        self.rules = Rules(control.rules)
        self.transfers = Transfers(control.files)
        self._menu, self._become = control.menu, become
        self.permitted: bytes | None = None
        """The one command that may be run next: what an entry of the menu stands for."""
        self.found: list[Found] = []
        """What commands broke, since somebody looked."""
        self.terminal = False
        """Whether the channel that is asked about has a terminal."""
        self.begun = False
        """Whether something was started on it."""

    def client_opens(self, kind: str) -> str | None:
        """Say why the client may not open a channel of `kind`, if it may not."""
        if self._menu and kind != "session":
            return "this secret permits what is on its menu, and no forwarding"
        return super().client_opens(kind)

    def target_opens(self, kind: str) -> str | None:
        """Say why the target may not open a channel of `kind`, if it may not."""
        if self._menu:
            return "this secret permits what is on its menu, and no forwarding"
        return super().target_opens(kind)

    def client_asks_globally(self, kind: str) -> str | None:
        """Say why a global request of the client must not pass, if it must not."""
        refusal = super().client_asks_globally(kind)
        if refusal is None and self._menu and "forward" in kind:
            return "this secret permits what is on its menu, and no forwarding"
        return refusal

    def client_asks(self, kind: str, rest: bytes) -> str | None:
        """Say why a request on a session channel must not pass, if it must not."""
        if self._become and kind in _STARTS:
            return self._of_become(kind, rest)
        refusal = self._off_menu(kind, rest) if self._menu else None
        refusal = refusal or super().client_asks(kind, rest)
        if refusal is None and kind == "exec":
            refusal = self._broken(Reader(rest).text())
        if refusal is None and self.transfers.any and not self._menu:
            return self._of_files(kind, rest)
        return refusal

    def _of_become(self, kind: str, rest: bytes) -> str | None:
        """Judge what is started: by now, a shell is the command that becomes somebody."""
        if kind != "exec" or Reader(rest).text() != self._become:
            return (
                f"this secret becomes {account_of(self._become)} by `{self._become}`: it has a "
                "shell on a terminal, and nothing else"
            )
        if not self.terminal:
            return f"`{self._become}` needs a terminal: ask for one, as with ssh -t"
        if self.begun:
            return _ONCE
        return super().client_asks("shell", b"")

    def _of_files(self, kind: str, rest: bytes) -> str | None:
        if kind not in {*_STARTS, "pty-req"}:
            return None
        if self.begun:
            # What judges its files is what was started first.
            return _ONCE
        if kind == "pty-req":
            return None
        detail = "" if kind == "shell" else Reader(rest).string().decode("utf-8", "replace")
        found = self.transfers.judge(kind, detail, terminal=self.terminal)
        if found is None:
            return None
        self.found.append(found)
        return found.refusal

    def _off_menu(self, kind: str, rest: bytes) -> str | None:
        if kind not in _OF_A_MENU:
            return f"this secret permits what is on its menu: {self._names()}"
        if kind == "env" and not _HARMLESS_VARIABLES.fullmatch(Reader(rest).text()):
            return "this secret permits what is on its menu, and no variables"
        if kind == "exec":
            permitted, self.permitted = self.permitted, None
            if permitted is None or permitted != Reader(rest).string():
                return f"this secret permits what is on its menu: {self._names()}"
        return None

    def _names(self) -> str:
        return ", ".join(entry.name for entry in self._menu)

    def _broken(self, command: str) -> str | None:
        lines = [*command.splitlines(), command, command.replace("\\\n", "")]
        found = self.rules.judge(lines, command)
        if found is None:
            return None
        self.found.append(found)
        return None if found.action in _PASSES else found.refusal
