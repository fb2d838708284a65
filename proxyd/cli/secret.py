"""`proxyd secret`: the vault's credentials and the targets they open."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from bus.contract import HostKeyPolicy
from config.model import OnLoss
from control.requests import (
    AddSecret,
    EditSecret,
    ListSecrets,
    RemoveSecret,
    SecretSummary,
    SecretTested,
    ShowSecret,
    TestSecret,
)
from proxyd.cli import secret_commands, secret_files
from proxyd.cli.errors import DENIED, UNREACHABLE, CommandFailedError
from proxyd.cli.invocation import Invocation, pass_invocation
from proxyd.cli.output import OutputFormat, print_done, print_fields, print_json, print_table
from proxyd.cli.request import build
from proxyd.cli.typed import from_stdin, key_file
from recorder.session_info import Capture, RecordingMode, TargetProtocol

_Command = TypeVar("_Command", bound=Callable[..., Any])
Given = dict[str, Any]
"""What the options said, by the name of the parameter; None where nothing was said."""


def _options(*options: Callable[[Any], Any]) -> Callable[[_Command], _Command]:
    def decorate(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_PORTS: Final = {TargetProtocol.SSH.value: 22, TargetProtocol.RDP.value: 3389}

_described = _options(
    click.option("--host", help="Name or address of the target."),
    click.option(
        "--port", type=click.IntRange(1, 65535), help="Of a new secret: 22 (SSH) or 3389 (RDP)."
    ),
    click.option("--username", help="Who logs on to the target."),
    click.option("--domain", help="Windows domain (RDP)."),
)
_proved = _options(
    click.option("--password-stdin", is_flag=True, help="Read the password, one line."),
    click.option(
        "--key-file",
        type=click.Path(path_type=Path),
        help="A private key, OpenSSH or PEM.",
    ),
    click.option("--passphrase-stdin", is_flag=True, help="Read the key's passphrase."),
)
_known_by = _options(
    click.option("--host-key", multiple=True, metavar='"ssh-ed25519 AAAA…"'),
    click.option("--host-key-tofu", is_flag=True, help="Pin the key seen first (default)."),
    click.option("--host-key-any", is_flag=True, help="Accept any key: no protection."),
    click.option("--certificate-fingerprint", multiple=True, metavar="SHA256"),
    click.option("--certificate-tofu", is_flag=True, help="As --host-key-tofu, for RDP."),
    click.option(
        "--certificate-ca", is_flag=True, help="Whatever [rdp] ca_file vouches for (RDP)."
    ),
    click.option("--certificate-any", is_flag=True, help="As --host-key-any, for RDP."),
)
_recorded = _options(
    click.option("--record", type=click.Choice([mode.value for mode in RecordingMode])),
    click.option("--on-loss", type=click.Choice([choice.value for choice in OnLoss])),
    click.option(
        "--channels",
        metavar="WORD,…",
        help="What may be opened. SSH: exec,scp,sftp,shell,…; RDP: clipboard,drives-in,audio,…",
    ),
    click.option("--capture", type=click.Choice([choice.value for choice in Capture])),
    click.option(
        "--mask-typed/--no-mask-typed",
        " /--no-mask",
        default=None,
        help="Hide what is typed while the target does not echo. Default: hide.",
    ),
    click.option("--site", help="Only engines of this site may use it."),
)


@click.group()
def secret() -> None:
    """Put credentials of targets into the vault. They never come out again."""


@secret.command()
@click.argument("name")
@click.option(
    "--protocol", type=click.Choice([one.value for one in TargetProtocol]), required=True
)
@_described
@_proved
@_known_by
@_recorded
@pass_invocation
def add(invocation: Invocation, /, name: str, **given: Any) -> None:  # noqa: ANN401
    """Add a secret NAME: a credential and the target it opens."""
    given["port"] = given["port"] or _PORTS[given["protocol"]]
    for option in ("host", "username"):
        if given[option] is None:
            raise click.UsageError(f"missing option --{option}")
    if not given["password_stdin"] and given["key_file"] is None:
        raise click.UsageError("give the credential: --password-stdin or --key-file FILE")
    fields = _fields(given)
    with invocation.operator() as operator:
        summary: SecretSummary = operator.call(build(AddSecret, name=name, **fields))
    _show(invocation, summary, f"added the secret {name}")


@secret.command()
@click.argument("name")
@_described
@_proved
@_known_by
@_recorded
@pass_invocation
def edit(invocation: Invocation, /, name: str, **given: Any) -> None:  # noqa: ANN401
    """Change what the options name, and nothing else."""
    fields = _fields(given)
    if not fields:
        raise click.UsageError("nothing to change: name an option")
    with invocation.operator() as operator:
        summary: SecretSummary = operator.call(build(EditSecret, name=name, **fields))
    _show(invocation, summary, f"changed the secret {name}")


@secret.command("list")
@pass_invocation
def list_(invocation: Invocation) -> None:
    """List the secrets, without their credentials."""
    with invocation.operator() as operator:
        secrets: list[SecretSummary] = list(operator.stream(ListSecrets()))
    if invocation.output is OutputFormat.JSON:
        print_json(secrets)
        return
    print_table(
        ("NAME", "PROTOCOL", "TARGET", "USER", "CREDENTIAL", "HOST KEY"),
        (
            (s.name, s.protocol, f"{s.host}:{s.port}", s.username, s.credential, _trust(s))
            for s in secrets
        ),
    )


@secret.command()
@click.argument("name")
@pass_invocation
def show(invocation: Invocation, name: str) -> None:
    """Show one secret, without its credential."""
    with invocation.operator() as operator:
        summary: SecretSummary = operator.call(ShowSecret(name=name))
    if invocation.output is OutputFormat.JSON:
        print_json(summary)
        return
    print_fields({field: getattr(summary, field) for field in summary.__struct_fields__})


@secret.command()
@click.argument("name")
@pass_invocation
def remove(invocation: Invocation, name: str) -> None:
    """Forget a secret and who may reach it; its recordings stay."""
    with invocation.operator() as operator:
        operator.call(RemoveSecret(name=name))
    print_done(invocation.output, f"removed the secret {name}")


@secret.command()
@click.argument("name")
@pass_invocation
def test(invocation: Invocation, name: str) -> None:
    """Dial the target, check its host key, log on with the stored credential, leave."""
    with invocation.operator() as operator:
        tested: SecretTested = operator.call(TestSecret(name=name))
    if invocation.output is OutputFormat.JSON:
        print_json(tested)
    elif tested.ok:
        print_fields({"secret": name, "result": tested.detail, "host key": tested.host_key})
    if not tested.ok:
        code = DENIED if tested.refused else UNREACHABLE
        raise CommandFailedError(f"secret {name}: {tested.detail}", code)


for more in (
    secret_commands.block,
    secret_commands.allow,
    secret_commands.forget,
    secret_commands.commands,
    secret_commands.become,
    secret_files.file_rule,
    secret_files.forget_file_rule,
    secret_files.file_rules,
    secret_files.keep_files,
):
    secret.add_command(more)


def _fields(given: Given) -> Given:
    """Return the request's fields that the options name."""
    plain = ("protocol", "host", "port", "username", "domain", "record", "on_loss")
    more = ("capture", "mask_typed", "site")
    fields = {field: given[field] for field in (*plain, *more) if given.get(field) is not None}
    if given["channels"] is not None:
        words = (word.strip() for word in given["channels"].split(","))
        fields["channels"] = tuple(word for word in words if word)
    return fields | _trusted(given) | _credential(given)


def _trusted(given: Given) -> Given:
    """Return how the target proves itself, where an option says so."""
    keys = given["host_key"] + given["certificate_fingerprint"]
    chosen = {
        HostKeyPolicy.GIVEN: bool(keys),
        HostKeyPolicy.TOFU: given["host_key_tofu"] or given["certificate_tofu"],
        HostKeyPolicy.CA: given["certificate_ca"],
        HostKeyPolicy.ANY: given["host_key_any"] or given["certificate_any"],
    }
    policies = [policy for policy, is_chosen in chosen.items() if is_chosen]
    if len(policies) > 1:
        raise click.UsageError("choose one of --host-key, --host-key-tofu and --host-key-any")
    if not policies:
        return {}
    return {"host_key_policy": policies[0]} | ({"host_keys": keys} if keys else {})


def _credential(given: Given) -> Given:
    """Read the credential from where the options say it is."""
    if given["password_stdin"] and (given["key_file"] or given["passphrase_stdin"]):
        raise click.UsageError("choose one of --password-stdin and --key-file")
    fields: Given = {}
    if given["password_stdin"]:
        fields["password"] = from_stdin("password")
    if given["passphrase_stdin"]:
        fields["passphrase"] = from_stdin("passphrase")
    if given["key_file"] is not None:
        fields["private_key"] = _usable_key(given["key_file"], fields.get("passphrase"))
    return fields


def _usable_key(path: Path, passphrase: str | None) -> bytes:
    from protocols.ssh import keys  # noqa: PLC0415 - brings asyncssh, which takes its time

    data = key_file(path)
    try:
        keys.check_private_key(data, passphrase)
    except keys.UnusableKeyError as error:
        raise CommandFailedError(f"the key file {path} {error}") from error
    return data


def _trust(summary: SecretSummary) -> str:
    if summary.host_key_policy is HostKeyPolicy.TOFU:
        return "pinned" if summary.host_keys else "at first use"
    return summary.host_key_policy.value


def _show(invocation: Invocation, summary: SecretSummary, told: str) -> None:
    if invocation.output is OutputFormat.JSON:
        print_json(summary)
    else:
        click.echo(told, err=True)
