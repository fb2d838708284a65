"""How users and targets speak: one gateway a protocol."""
