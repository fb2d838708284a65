"""Static files. Their addresses hold a digest of their folder, so they may be kept for ever."""

import hashlib
from pathlib import Path

from starlette.datastructures import URL
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from control.web.limits import CACHED

_DIGEST_LETTERS = 12


class Assets:
    """The files of one folder, and where they are served."""

    def __init__(self, prefix: str, folder: Path) -> None:
        self.folder = folder
        digest = hashlib.sha256()
        self._names = frozenset(_digested(folder, digest))
        self.prefix = f"{prefix}/{digest.hexdigest()[:_DIGEST_LETTERS]}"

    def __call__(self, name: str) -> str:
        """Return the address of a file; raise `KeyError` where there is none of this name."""
        if name not in self._names:
            raise KeyError(name)
        return str(URL(f"{self.prefix}/{name}"))


class Unchanging(StaticFiles):
    """Serves files that never change at their address."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return the file, to be kept by whoever gets it."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = CACHED
        return response


def _digested(folder: Path, digest: "hashlib._Hash") -> list[str]:
    names = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            names.append(str(path.relative_to(folder)))
            digest.update(names[-1].encode() + b"\0" + path.read_bytes())
    return names
