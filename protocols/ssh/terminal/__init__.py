"""The terminal that people meet who log on with their own account. Sans-io, all of it."""
