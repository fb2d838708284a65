"""The control plane: vault, users, credentials, grants, and who may ask for them."""
