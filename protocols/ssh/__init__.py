"""SSH: the gateway, the relay, and what may pass."""
