"""Carries out what is typed at the terminal: asks control, and shows the answers."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import UUID

from bus.command_rules import MenuEntry
from bus.contract import Grant
from bus.errors import BusError
from bus.menu import MenuError, command, find, parameters
from bus.own_account import LaunchWaits
from bus.sealed import Opener
from protocols.errors import AccessDeniedError
from protocols.ssh.accounts import LaunchOrder, Visitor
from protocols.ssh.auth import Redeemed
from protocols.ssh.terminal import commands, pages
from protocols.ssh.terminal.commands import Order, UsageError
from protocols.ssh.terminal.words import WordsError, quote, split
from protocols.ssh.terminal_screen import Screen

PROMPT: Final = "proxyd> "
FAILED: Final = 1
MISUSED: Final = 2
LOST: Final = 255
_ASK_AGAIN_S: Final = 0.5
"""How soon an approval is noticed."""
_NAMES: Final = 1000
"""Secrets whose names Tab knows."""
_FIELDS: Final = ("name", "host", "username", "site")

Launch = Callable[[Redeemed, bool, str | None], Awaitable[int]]
"""Serves a granted session on the channel to its end; the flag says that the channel lasts,
and the text what of the secret's menu is run. Returns the exit status of what ran."""


class Desk:
    """What one channel's user can do."""

    def __init__(self, screen: Screen, visitor: Visitor, site: str, launch: Launch) -> None:
        self._screen, self._visitor, self._site, self._launch = screen, visitor, site, launch
        self._names: list[str] = []
        self._lasts = False
        self._over = False

    async def converse(self, motd: str) -> int:
        """Take lines until there are no more; return the exit status."""
        screen, self._lasts = self._screen, True
        screen.completing(lambda left: commands.completions(left, self._names))
        screen.say(
            *(pages.plain(line) for line in motd.splitlines()),
            f"You are {self._visitor.user}. `search` lists your secrets, `man` the commands.",
        )
        await self._learn_names()
        status = 0
        while not self._over:
            line = await screen.read(PROMPT, help_=commands.help_for)
            if line is None:
                break
            status = await self.run(line)
        return status

    async def run(self, line: str) -> int:
        """Carry out a line; return its exit status."""
        try:
            words = split(line)
            return await self._carry_out(commands.understand(words)) if words else 0
        except (UsageError, WordsError) as error:
            self._screen.say(pages.plain(str(error)))
            return MISUSED
        except AccessDeniedError as error:
            self._screen.say(pages.plain(error.detail or "you may not"))
        except BusError as error:
            self._screen.say(pages.plain(f"{error}; try again"))
        return FAILED

    async def _carry_out(self, order: Order) -> int:
        match order.command:
            case "launch":
                return await self._launched(order)
            case "passwd":
                return await self._change_password()
            case "exit":
                self._over = True
            case "man":
                self._screen.say(*commands.manual(order.operand))
            case _:
                self._screen.say(*await self._answer(order))
        return 0

    async def _answer(self, order: Order) -> list[str]:
        match order.command:
            case "search":
                return await self._search(order)
            case "cat":
                found = await self._visitor.find(text=order.operand, exact=True)
                if found.secrets:
                    return pages.shown(found.secrets[0], self._site)
                return [pages.plain(f"there is no secret `{order.operand}` that you may reach")]
            case "who":
                return pages.present(await self._visitor.who(order.operand))
        issued, password = await self._visitor.credential(order.operand)
        return pages.pair(issued, password)

    async def _search(self, order: Order) -> list[str]:
        field = order.options.get("-sf", "")
        if field not in ("", *_FIELDS):
            raise UsageError(f"-sf wants one of {', '.join(_FIELDS)}")
        skip = order.number("-skip", 0)
        found = await self._visitor.find(
            text=order.operand,
            field=field,
            folder=order.options.get("-f", ""),
            of_site=order.options.get("-s", ""),
            protocol=order.options.get("-t", ""),
            favourites="-fav" in order.options,
            recent="-r" in order.options,
            skip=skip,
            take=min(1000, max(1, order.number("-take", 25))),
        )
        return pages.listed(found, skip)

    async def _learn_names(self) -> None:
        try:
            found = await self._visitor.find(take=_NAMES)
        except (AccessDeniedError, BusError):
            return
        self._names = [seen.name for seen in found.secrets]

    # --- launching

    async def _launched(self, order: Order) -> int:
        chosen, menu = None, await self._menu(order.operand)
        if menu:
            chosen = await self._chosen(order.operand, menu)
            if chosen is None:
                return FAILED
        opener = Opener()
        granted = await self._granted(_wanted(order), opener)
        if granted is None:
            return FAILED
        await self._screen.flushed()
        redeemed = Redeemed(self._visitor.user, granted, opener)
        return await self._launch(redeemed, self._lasts, chosen)

    async def _menu(self, secret: str) -> tuple[MenuEntry, ...]:
        return (await self._visitor.find(text=secret, exact=True)).menu

    async def _chosen(self, secret: str, menu: Sequence[MenuEntry]) -> str | None:
        """Show the menu and ask; return a line of it with what it wants, None: given up."""
        self._screen.say(*pages.menu(menu))
        while line := await self._screen.read(f"{secret}> ", keeps=False):
            try:
                words = [word.text for word in split(line)]
                entry = find(menu, words[0] if words else "")
                if len(words) == 1:
                    words += await self._values(entry)
                command(entry, words[1:])
            except (MenuError, WordsError) as error:
                self._screen.say(pages.plain(str(error)))
            else:
                return " ".join(map(quote, words))
        return None

    async def _values(self, entry: MenuEntry) -> list[str]:
        values = []
        for name in parameters(entry):
            value = await self._screen.read(f"{name}: ", keeps=False)
            values.append("" if value is None else value.strip())
        return values

    async def _granted(self, wanted: LaunchOrder, opener: Opener) -> Grant | None:
        """Return the grant, once all that the secret demands is there; None: given up."""
        asked: UUID | None = None
        while True:
            answer = await self._visitor.launch(wanted, opener, asked)
            if isinstance(answer, Grant):
                return answer
            if answer.lacks:
                told = await self._reasons(wanted, answer)
                if told is None:
                    return None
                wanted = told
            elif answer.asked is not None:
                if asked is None:
                    self._screen.say(
                        "Somebody else has to approve this. Waiting; control-C gives it up."
                    )
                asked = answer.asked
                if await self._screen.interrupted(_ASK_AGAIN_S):
                    await self._visitor.withdraw(asked)
                    self._screen.say("given up")
                    return None

    async def _reasons(self, wanted: LaunchOrder, waits: LaunchWaits) -> LaunchOrder | None:
        """Ask for what the secret demands; None where the user would rather not."""
        comment, ticket = wanted.comment, wanted.ticket
        if "comment" in waits.lacks:
            comment = await self._reason("Why do you need it? ")
        if "ticket" in waits.lacks and comment:
            ticket = await self._reason("Ticket: ")
        if not (comment if "comment" in waits.lacks else ticket):
            return None
        return LaunchOrder(
            secret=wanted.secret, machine=wanted.machine, comment=comment, ticket=ticket
        )

    async def _reason(self, prompt: str) -> str:
        line = await self._screen.read(prompt, keeps=False)
        return "" if line is None else line.strip()[:256]

    # --- the password

    async def _change_password(self) -> int:
        asked = ("Old password: ", "New password: ", "New password again: ")
        answers = []
        for prompt in asked:
            answer = await self._screen.read(prompt, hidden=True)
            if answer is None:
                return FAILED
            answers.append(answer)
        if answers[1] != answers[2]:
            self._screen.say("the two are not the same; nothing was changed")
            return FAILED
        await self._visitor.change_password(answers[0], answers[1])
        self._screen.say("changed")
        return 0


def _wanted(order: Order) -> LaunchOrder:
    return LaunchOrder(
        secret=order.operand,
        machine=order.options.get("-m", ""),
        comment=order.options.get("-c", ""),
        ticket=order.options.get("-t", ""),
    )
