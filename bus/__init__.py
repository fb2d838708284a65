"""Messages between nodes: what they are and how they travel."""
