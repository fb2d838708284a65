"""RDP: the gateway that users reach, and the leg to the target."""
