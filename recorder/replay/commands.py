"""What was run at a prompt: typed lines joined with the row on the screen at Enter.

The row tells what history and completion made of the keys; what stood left of the
cursor when typing began is the prompt. Shells that mark their prompts (OSC 133;B, or
OSC 633;E with the command itself) are believed.
"""

from msgspec import Struct

from recorder.replay.keystrokes import TypedLine

_MAX_WAITING = 64
_MAX_RECENT = 16
_MAX_ROWS_WAITED = 32
"""Enter is echoed within a few rows, or not at all."""


class Entered(Struct, array_like=True):
    """A line that was entered and whose row has not been seen yet."""

    at_ms: int
    typed: str
    plain: bool
    prompt: str
    rows_waited: int = 0


class Commands(Struct, array_like=True):
    """Follows the prompts of one terminal."""

    prompt: str | None = None
    """What stands left of the line being typed."""
    is_marked: bool = False
    """Whether the shell itself tells its commands."""
    waiting: list[Entered] = []
    recent: list[str] = []
    """Rows that were completed last: a late key may find its echo there."""

    def prompted(self, left: str) -> None:
        """Take the end of the prompt, which the shell marked, as where the line begins."""
        self.prompt = left

    def begin(self, left: str) -> None:
        """Note what stands left of the cursor as the first key of a line is pressed."""
        if self.prompt is None:
            self.prompt = left

    def enter(self, at_ms: int, line: TypedLine) -> list[tuple[int, str]]:
        """Take a line that was entered; return the commands, with times, that are certain."""
        prompt, self.prompt = self.prompt or "", None
        if self.is_marked or (line.plain and not line.text):
            return []
        if line.plain and any(_was_prompted(row, line.text) for row in self.recent):
            return [(at_ms, line.text)]
        if len(self.waiting) < _MAX_WAITING:
            self.waiting.append(Entered(at_ms, line.text, line.plain, prompt))
        return []

    def row_done(self, row: str) -> list[tuple[int, str]]:
        """Take a row that the target completed; return the commands it shows."""
        self.recent = [*self.recent[1 - _MAX_RECENT :], row]
        told: list[tuple[int, str]] = []
        for place, entered in enumerate(self.waiting):
            # Rows come in the order of the lines: one that was passed over is not to come.
            if command := _shown(entered, row):
                told = [each for passed in self.waiting[:place] for each in _fallback(passed)]
                self.waiting = self.waiting[place + 1 :]
                return [*told, (entered.at_ms, command)]
            entered.rows_waited += 1
        while self.waiting and self.waiting[0].rows_waited >= _MAX_ROWS_WAITED:
            told += _fallback(self.waiting[0])
            self.waiting = self.waiting[1:]
        return told

    def finish(self) -> list[tuple[int, str]]:
        """Return what still waited for its row."""
        waiting, self.waiting = self.waiting, []
        return [each for entered in waiting for each in _fallback(entered)]


def _shown(entered: Entered, row: str) -> str:
    if entered.plain:
        return entered.typed if _was_prompted(row, entered.typed) else ""
    prompt = entered.prompt.rstrip()
    return row[len(prompt) :].strip() if prompt and row.startswith(prompt) else ""


def _was_prompted(row: str, typed: str) -> bool:
    return row.endswith(typed) and len(row.strip()) > len(typed)


def _fallback(entered: Entered) -> list[tuple[int, str]]:
    known = entered.typed and entered.prompt.strip()
    return [(entered.at_ms, entered.typed)] if known else []
