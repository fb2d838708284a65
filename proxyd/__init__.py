"""The daemon: builds every role from settings and runs it."""
