"""Files that only the owner of their folder may read.

Root may run the command line where the daemon has a user of its own: what it makes there
is given to the folder's owner, or the daemon could not read it.
"""

import os
from pathlib import Path


def write_private(path: Path, data: bytes) -> None:
    """Put `data` into `path` with mode 0600, whole or not at all, and onto the disk."""
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    give_to_owner(partial)
    partial.replace(path)
    sync_folder(path.parent)


def give_to_owner(path: Path) -> None:
    """Give a file that root made to the owner of its folder."""
    if os.geteuid() != 0:
        return
    folder = path.parent.stat()
    os.chown(path, folder.st_uid, folder.st_gid, follow_symlinks=False)


def sync_folder(folder: Path) -> None:
    """Put the names in `folder` onto the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
