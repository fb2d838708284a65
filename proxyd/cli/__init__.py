"""The `proxyd` command: one module a noun, read only when its noun is used.

Data goes to standard output, everything else to standard error. The names, the keys
of `--output json` and the exit codes are what scripts rely on.
"""

from importlib import import_module
from pathlib import Path

import click

from proxyd.cli.errors import reported
from proxyd.cli.invocation import DEFAULT_CONFIG, Invocation
from proxyd.cli.output import OutputFormat

COMMANDS = {
    "access": "proxyd.cli.access:access",
    "bus": "proxyd.cli.bus:bus",
    "audit": "proxyd.cli.audit:audit",
    "config": "proxyd.cli.config_command:config",
    "credential": "proxyd.cli.credential:credential",
    "demo": "proxyd.cli.node:demo",
    "doctor": "proxyd.cli.node:doctor",
    "engine": "proxyd.cli.engine:engine",
    "group": "proxyd.cli.group:group",
    "init": "proxyd.cli.node:init",
    "log": "proxyd.cli.log:log",
    "retention": "proxyd.cli.retention:retention",
    "rotate-control-key": "proxyd.cli.node:rotate_control_key",
    "rotate-recording-key": "proxyd.cli.keys:rotate_recording_key",
    "rotate-master-key": "proxyd.cli.node:rotate_master_key",
    "rotate-storage-key": "proxyd.cli.node:rotate_storage_key",
    "run": "proxyd.cli.node:run",
    "secret": "proxyd.cli.secret:secret",
    "session": "proxyd.cli.session:session",
    "status": "proxyd.cli.node:status",
    "user": "proxyd.cli.user:user",
}
"""Each command of `proxyd`, and where it is: `module:attribute`."""


class _Nouns(click.Group):
    """Reads a noun's module when it is asked for, and turns errors into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name every command."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, or None where there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; its errors end as one line and an exit code."""
        with reported():
            return super().invoke(ctx)


@click.group(cls=_Nouns, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "config_path",
    envvar="PROXYD_CONFIG",
    type=click.Path(path_type=Path, readable=False),
    help=f"The settings file. Default: {DEFAULT_CONFIG}",
)
@click.option(
    "--output",
    type=click.Choice([kind.value for kind in OutputFormat]),
    default=OutputFormat.TABLE.value,
    help="A table for people, or one JSON document for programs.",
)
@click.version_option(package_name="proxyd", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context, config_path: Path | None, output: str) -> None:
    """Record SSH and RDP sessions."""
    given = ctx.ensure_object(Invocation)
    given.config_path = config_path
    given.output = OutputFormat(output)
