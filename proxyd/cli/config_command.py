"""`proxyd config`: whether the settings can be used, and what they come to."""

from typing import Any

import click
import msgspec

from config.show import show as as_toml
from config.show import without_password
from proxyd.cli.invocation import DEFAULT_CONFIG, Invocation, pass_invocation
from proxyd.cli.output import OutputFormat, print_done, print_json


@click.group()
def config() -> None:
    """Look at the settings."""


@config.command()
@pass_invocation
def check(invocation: Invocation) -> None:
    """Read the settings; exit with 78 where they cannot be used."""
    # They bring the database and TLS.
    from proxyd.kinds import check_kinds  # noqa: PLC0415
    from proxyd.named_files import check_named_files  # noqa: PLC0415

    settings = invocation.settings()
    check_kinds(settings)
    warnings = [f"warning: {text}" for text in check_named_files(settings)]
    done = f"{_source(invocation)}: the settings can be used"
    print_done(invocation.output, *warnings, done)


@config.command()
@pass_invocation
def show(invocation: Invocation) -> None:
    """Print the settings in effect: file, environment and defaults; no secrets."""
    settings = invocation.settings()
    if invocation.output is OutputFormat.JSON:
        print_json(_without_passwords(msgspec.to_builtins(settings, enc_hook=str)))
    else:
        click.echo(as_toml(settings), nl=False)


def _without_passwords(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    match value:
        case dict():
            return {key: _without_passwords(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_without_passwords(inner) for inner in value]
        case str():
            return without_password(value)
    return value


def _source(invocation: Invocation) -> str:
    if invocation.config_path is None and not DEFAULT_CONFIG.exists():
        return "defaults"
    return str(invocation.config_path or DEFAULT_CONFIG)
