"""What the desktop of `proxyd demo` shows and understands. Sans-io."""
