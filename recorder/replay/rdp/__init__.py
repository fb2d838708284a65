"""What the bytes of a recorded RDP session mean: pictures, keys, clipboard."""
