"""`proxyd rotate-recording-key`: the key that recordings are sealed to."""

import click

from control.proof_requests import RotateRecordingKey
from control.requests import Done
from proxyd.cli.invocation import Invocation, pass_invocation
from proxyd.cli.output import print_done


@click.command("rotate-recording-key")
@pass_invocation
def rotate_recording_key(invocation: Invocation) -> None:
    """Make a new key for the recordings to come. The old ones go on to read the others."""
    with invocation.operator() as operator:
        done: Done = operator.call(RotateRecordingKey())
    print_done(invocation.output, done.detail)
