"""What a recording is: events, chunks, the spool, and how to read them back."""
