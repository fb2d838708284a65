"""The launcher as one file, which Python runs as it is (PEP 441): the page hands it out."""

import functools
import io
import zipfile
from pathlib import Path
from typing import Final

import clients

_SHEBANG: Final = b"#!/usr/bin/env python3\n"
_MAIN: Final = """\
from clients.launcher.cli import main

raise SystemExit(main())
"""
_MOMENT: Final = (1980, 1, 1, 0, 0, 0)
"""The first that a zip can name: the same sources make the same file on every node."""


@functools.cache
def launcher_file() -> bytes:
    """Return the file."""
    folder = Path(clients.__file__).parent
    file = io.BytesIO(_SHEBANG)
    file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(folder.rglob("*.py")):
            name = str(path.relative_to(folder.parent))
            packed.writestr(_entry(name), path.read_bytes())
        packed.writestr(_entry("__main__.py"), _MAIN)
    return file.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _MOMENT)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry
