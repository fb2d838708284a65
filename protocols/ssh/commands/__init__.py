"""What may be run on a target: judged where it is typed, before it is run. Sans-io."""
