"""What commands show: plain lines of plain text. Sans-io.

INVARIANT: nothing that came from elsewhere reaches a screen with a control character in it.
"""

from collections.abc import Sequence
from typing import Final

from bus.command_rules import MenuEntry
from bus.own_account import OwnCredential, Presence, SecretSeen, SecretsFound

_HEADS: Final = ("NAME", "TYPE", "TARGET", "LOGS ON AS", "SITE", "DEMANDS")


def listed(found: SecretsFound, skipped: int) -> list[str]:
    """Return the answer to `search`."""
    if not found.secrets:
        return ["there is nothing like it that you may use"]
    rows = [
        (
            f"{seen.name}{' *' if seen.favourite else ''}",
            seen.protocol,
            f"{seen.host}:{seen.port}",
            seen.username,
            seen.site or "any",
            " ".join(seen.demands),
        )
        for seen in found.secrets
    ]
    lines = table(_HEADS, rows)
    if found.more:
        skip = skipped + len(found.secrets)
        lines.append(f"{found.more} more: search ... -skip {skip}")
    return lines


def shown(seen: SecretSeen, site: str) -> list[str]:
    """Return the answer to `cat`, at an engine of `site`."""
    fields = {
        "name": seen.name,
        "type": seen.protocol,
        "target": f"{seen.host}:{seen.port}",
        "logs on as": seen.username,
        "site": seen.site or "any",
        "allows": " ".join(seen.channels),
        "demands": " ".join(seen.demands) or "nothing",
    }
    width = max(map(len, fields))
    lines = [plain(f"{name:{width}}  {value}") for name, value in fields.items()]
    return [*lines, plain(_how(seen, site))]


def _how(seen: SecretSeen, site: str) -> str:
    if seen.site not in {"", site}:
        there = ", ".join(seen.engines) or "none at present"
        return f"it is of site {seen.site}: log on to an engine there ({there})"
    if seen.protocol != "ssh":
        return f"it is a desktop: credential {seen.name}"
    return f"launch {seen.name}"


def menu(entries: Sequence[MenuEntry]) -> list[str]:
    """Return what may be run, numbered."""
    rows = [(str(number), each.name, each.command) for number, each in enumerate(entries, 1)]
    return ["Type a name or a number:", *table(("NO", "NAME", "RUNS"), rows)]


def present(people: Sequence[Presence]) -> list[str]:
    """Return the answer to `who`."""
    if not people:
        return ["nobody else is there"]
    rows = [
        (each.user, each.secret, each.client_address, f"{each.since:%Y-%m-%d %H:%M} UTC")
        for each in people
    ]
    return table(("USER", "SECRET", "FROM", "SINCE"), rows)


def pair(issued: OwnCredential, password: str) -> list[str]:
    """Return the answer to `credential`."""
    scheme = "" if issued.protocol == "rdp" else f"-p {issued.port} "
    command = f"ssh {scheme}{issued.username}@{issued.host}"
    if issued.protocol == "rdp":
        command = f"xfreerdp /v:{issued.host}:{issued.port} /u:{issued.username}"
    return [
        plain(f"host       {issued.host}, port {issued.port}"),
        plain(f"user name  {issued.username}"),
        plain(f"password   {password}"),
        f"good once, until {issued.expires_at:%Y-%m-%d %H:%M} UTC",
        plain(command),
    ]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows under their heads, each column as wide as it must be."""
    cleaned = [[plain(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(len(row[at]) for row in cleaned) for at in range(len(heads))]
    return [
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cleaned
    ]


def plain(text: str) -> str:
    """Return `text` without anything that a terminal would act on."""
    return "".join(mark if mark.isprintable() else " " for mark in text)
