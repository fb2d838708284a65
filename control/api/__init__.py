"""Everything the command line does, over HTTPS."""
