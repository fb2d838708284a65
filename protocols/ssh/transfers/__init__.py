"""Which files may cross: rules by direction and path, for SFTP, SCP and what copies besides."""
