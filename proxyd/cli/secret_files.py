"""`proxyd secret file-rule …`: which files a secret lets cross."""

import click

from bus.file_rules import EVERYTHING, Direction, FileVerdict
from control.file_requests import (
    FileRuleSummary,
    ForgetFileRule,
    KeepFiles,
    ListFileRules,
    PutFileRule,
)
from proxyd.cli.invocation import Invocation, pass_invocation
from proxyd.cli.output import OutputFormat, print_done, print_json, print_table
from proxyd.cli.request import build


@click.command("file-rule")
@click.argument("secret")
@click.argument("name")
@click.argument("verdict", type=click.Choice([verdict.value for verdict in FileVerdict]))
@click.argument("glob", default=EVERYTHING)
@click.option(
    "--direction",
    type=click.Choice([way.value for way in Direction]),
    help="Only what goes to the target, or only what comes from it. Default: both.",
)
@pass_invocation
def file_rule(
    invocation: Invocation,
    secret: str,
    name: str,
    verdict: str,
    glob: str,
    *,
    direction: str | None,
) -> None:
    """Add the rule NAME to SECRET: allow or refuse the files that GLOB names.

    GLOB is a path from /: * and ? stay within a name, /** is all below a folder. Without it
    the rule is about every file. Where there is an allow rule, nothing else crosses that way.
    """
    ways = (direction,) if direction else tuple(way.value for way in Direction)
    asked = build(
        PutFileRule, secret=secret, name=name, verdict=verdict, directions=ways, glob=glob
    )
    with invocation.operator() as operator:
        summary: FileRuleSummary = operator.call(asked)
    if invocation.output is OutputFormat.JSON:
        print_json(summary)
    else:
        click.echo(f"{secret} has the rule {name} about files", err=True)


@click.command("forget-file-rule")
@click.argument("secret")
@click.argument("name")
@pass_invocation
def forget_file_rule(invocation: Invocation, secret: str, name: str) -> None:
    """Take the rule NAME about files of SECRET away."""
    with invocation.operator() as operator:
        operator.call(build(ForgetFileRule, secret=secret, name=name))
    print_done(invocation.output, f"{secret} has {name} no more")


@click.command("file-rules")
@click.argument("secret")
@pass_invocation
def file_rules(invocation: Invocation, secret: str) -> None:
    """List the rules of SECRET about files."""
    with invocation.operator() as operator:
        found: list[FileRuleSummary] = list(operator.stream(ListFileRules(secret=secret)))
    if invocation.output is OutputFormat.JSON:
        print_json(found)
        return
    print_table(
        ("NAME", "VERDICT", "DIRECTION", "FILES"),
        ((one.name, one.verdict, ", ".join(one.directions), one.glob) for one in found),
    )


@click.command("keep-files")
@click.argument("secret")
@click.argument("size", metavar="BYTES|default")
@pass_invocation
def keep_files(invocation: Invocation, secret: str, size: str) -> None:
    """Keep BYTES of what files hold, each way, of each channel that carries them; 0: nothing.

    By default as much as of other channels. `session export --format files` gives it back.
    """
    if size != "default" and not size.isdecimal():
        raise click.UsageError("give a number of bytes, or `default`")
    kept = None if size == "default" else int(size)
    with invocation.operator() as operator:
        operator.call(build(KeepFiles, secret=secret, files_bytes=kept))
    much = "as much as of other channels" if kept is None else f"{kept} bytes each way"
    print_done(invocation.output, f"{secret} keeps {much} of what files hold")
