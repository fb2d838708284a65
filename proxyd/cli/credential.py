"""`proxyd credential`: generated logins for one user and one secret."""

from pathlib import Path
from typing import Any

import click

from config.model import RDPSettings
from control.rdp_file import rdp_file as rdp_file_of
from control.rdp_signature import RDPSigner
from control.requests import (
    MAX_USES,
    CredentialSummary,
    IssueCredential,
    IssuedCredential,
    ListCredentials,
    RevokeCredential,
)
from proxyd.cli.errors import CommandFailedError
from proxyd.cli.invocation import Invocation, pass_invocation
from proxyd.cli.output import OutputFormat, print_done, print_fields, print_json, print_table
from proxyd.cli.request import build
from proxyd.cli.typed import Duration
from recorder.session_info import TargetProtocol

_CHOSEN_AT_START = "chosen when proxyd starts; `proxyd status` shows it then"


@click.group()
def credential() -> None:
    """Issue logins that work for a while, and take them back."""


@credential.command()
@click.argument("secret")
@click.option("--user", required=True, metavar="NAME", help="Who will use it.")
@click.option("--ttl", type=Duration(), default="15m", show_default=True, metavar="15m")
@click.option("--uses", type=click.IntRange(1, MAX_USES), default=1, show_default=True)
@click.option("--source", metavar="CIDR", help="Only from these addresses: 10.0.0.0/8.")
@click.option(
    "--rdp-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a file for mstsc; without the password.",
)
@pass_invocation
def issue(
    invocation: Invocation,
    /,
    secret: str,
    rdp_file: Path | None,
    ttl: float,
    **terms: Any,  # noqa: ANN401
) -> None:
    """Issue a login to SECRET. Its password is shown this once."""
    request = build(IssueCredential, secret=secret, ttl_s=ttl, **terms)
    signer = None if rdp_file is None else _signer(invocation.settings().rdp)
    with invocation.operator() as operator:
        issued: IssuedCredential = operator.call(request)
    if rdp_file is not None:
        _write_rdp_file(rdp_file, issued, signer)
    if invocation.output is OutputFormat.JSON:
        print_json(issued)
        return
    print_fields(
        {
            "id": issued.id,
            "username": issued.username,
            "password": issued.password,
            "host": issued.host,
            "port": issued.port or _CHOSEN_AT_START,
            "expires": f"{issued.expires_at:%Y-%m-%d %H:%M:%S} UTC",
            "uses": issued.uses,
            **issued.commands,
        }
    )


def _signer(settings: RDPSettings) -> RDPSigner | None:
    return RDPSigner.load(settings.signing_certificate_file, settings.signing_key_file)


def _write_rdp_file(path: Path, issued: IssuedCredential, signer: RDPSigner | None) -> None:
    if issued.protocol is not TargetProtocol.RDP:
        raise CommandFailedError(
            f"credential {issued.id} is for {issued.protocol}, so no {path} was written; "
            f"`proxyd credential revoke {issued.id}` takes it back"
        )
    try:
        path.write_bytes(rdp_file_of(issued, signer))
    except OSError as error:
        raise CommandFailedError(
            f"{path} cannot be written: {error.strerror}; credential {issued.id} was issued: "
            f"`proxyd credential revoke {issued.id}` takes it back"
        ) from error


@credential.command("list")
@pass_invocation
def list_(invocation: Invocation) -> None:
    """List credentials, newest first, without their passwords."""
    with invocation.operator() as operator:
        credentials: list[CredentialSummary] = list(operator.stream(ListCredentials()))
    if invocation.output is OutputFormat.JSON:
        print_json(credentials)
        return
    print_table(
        ("ID", "USERNAME", "USER", "SECRET", "STATE", "USED", "EXPIRES (UTC)"),
        (
            (
                *(c.id, c.username, c.user, c.secret, c.state, f"{c.used}/{c.uses}"),
                f"{c.expires_at:%Y-%m-%d %H:%M}",
            )
            for c in credentials
        ),
    )


@credential.command()
@click.argument("credential_id", metavar="ID")
@pass_invocation
def revoke(invocation: Invocation, credential_id: str) -> None:
    """Take a credential back; the sessions that it opened end."""
    with invocation.operator() as operator:
        operator.call(RevokeCredential(id=credential_id))
    print_done(invocation.output, f"revoked the credential {credential_id}")
