"""RDP's bytes: codecs without input or output, each naming the section it follows."""
