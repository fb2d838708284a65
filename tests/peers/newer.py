"""FreeRDP 3 and xrdp 0.10, of the next Debian, in a tree that `script/newer-peers` makes.

In a run of that script all tests of desktops talk to these, and not to this machine's.
"""

import os
from pathlib import Path
from typing import Final

from peers.needed import program
from peers.userland import HERE, propagation

TREE: Final = Path(os.environ.get("PROXYD_NEWER_PEERS", HERE))
ARE_USED: Final = TREE != HERE
ENTER: Final = """\
set -e
mount --rbind "$1" "$1"
for shared in dev media proc sys tmp; do mount --rbind "/$shared" "$1/$shared"; done
exec chroot "$@"
"""


def usual(name: str, newer: str) -> list[str]:
    """The command for one of two programs; its arguments are to follow."""
    if not ARE_USED:
        return [name]
    inside = ["/bin/sh", "-c", ENTER, "newer", str(TREE), newer]
    return [program("unshare"), "--mount", "--propagation", propagation(), *inside]
