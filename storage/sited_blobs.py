"""Opens the blob stores that the settings name, and finds the one for a site."""

import datetime as dt
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from sqlalchemy.orm import Session

from config.model import BlobSettings
from config.redacted import Redacted
from storage.blobs import BlobStore, DatabaseBlobs
from storage.errors import UnsupportedStoreError
from storage.file_blobs import FileBlobs

CREDENTIALS: Final = "blob-credentials"
"""The systemd credential."""
_OBJECT_SCHEMES: Final = ("s3", "az", "gs")
_WRITE: Final = (
    "write database:, file:///srv/recordings, s3://bucket/prefix, "
    "az://container/prefix or gs://bucket/prefix"
)
_NO_KEYS: Final[Redacted[str]] = Redacted("")


class SitedBlobs:
    """Puts each site's blobs into the store of that site, and finds them wherever they lie.

    The first part of a key is the site, so that what is in a bucket can be told apart.
    """

    ahead = True

    def __init__(
        self,
        default: BlobStore,
        sites: Mapping[str, BlobStore],
        earlier: Sequence[BlobStore] = (),
    ) -> None:
        self._default = default
        self._sites = {key_part(site): store for site, store in sites.items()}
        self._all = (default, *sites.values(), *earlier)

    def put_ahead(self, blobs: Mapping[str, bytes]) -> None:
        """See `BlobStore.put_ahead`."""
        for store, its_blobs in self._sorted(blobs):
            store.put_ahead(its_blobs)

    def put_within(self, session: Session, blobs: Mapping[str, bytes]) -> None:
        """See `BlobStore.put_within`."""
        for store, its_blobs in self._sorted(blobs):
            store.put_within(session, its_blobs)

    def get(self, session: Session, key: str) -> bytes | None:
        """Look in the site's store, then in the others: the settings may have changed."""
        first = self._store_of(key)
        for store in (first, *(store for store in self._all if store is not first)):
            if (data := store.get(session, key)) is not None:
                return data
        return None

    def delete(self, session: Session, keys: Sequence[str]) -> None:
        """Forget `keys`, wherever they lie."""
        for store in self._all:
            store.delete(session, keys)

    def keys_before(self, moment: dt.datetime) -> Iterator[str]:
        """See `BlobStore.keys_before`."""
        for store in self._all:
            yield from store.keys_before(moment)

    def _sorted(
        self, blobs: Mapping[str, bytes]
    ) -> list[tuple[BlobStore, Mapping[str, bytes]]]:
        piles: dict[int, dict[str, bytes]] = {}
        stores = {id(store): store for store in self._all}
        for key, data in blobs.items():
            piles.setdefault(id(self._store_of(key)), {})[key] = data
        return [(stores[number], pile) for number, pile in piles.items()]

    def _store_of(self, key: str) -> BlobStore:
        return self._sites.get(key.partition("/")[0], self._default)


def key_part(site: str) -> str:
    """Return `site` as the first part of a key: no folder, and no step out of one."""
    return quote(site, safe="").replace(".", "%2E")


def open_blobs(settings: BlobSettings, credentials: Redacted[str] = _NO_KEYS) -> BlobStore:
    """Return the blob store of `[blobs]`; raise `UnsupportedStoreError`. Reaches nothing.

    `credentials` is TOML: a table a URL, with what `obstore` takes to open it.
    """
    keys = _parse(credentials)
    default = _open("[blobs] url", settings.url, settings, keys)
    if not settings.sites and not settings.earlier:
        return default
    return SitedBlobs(
        default,
        {
            site: _open(f"[blobs.sites] {site}", url, settings, keys)
            for site, url in settings.sites.items()
        },
        [_open("[blobs] earlier", url, settings, keys) for url in settings.earlier],
    )


def _open(
    setting: str, url: str, settings: BlobSettings, keys: Redacted[dict[str, Any]]
) -> BlobStore:
    parts = urlsplit(url)
    if parts.scheme == "database":
        return DatabaseBlobs()
    if parts.scheme == "file":
        if not parts.path.startswith("/") or parts.netloc not in ("", "localhost"):
            raise UnsupportedStoreError(
                f"{setting} {url!r} names no absolute folder: write file:///srv/recordings"
            )
        return FileBlobs(Path(unquote(parts.path)))
    if parts.scheme in _OBJECT_SCHEMES and parts.netloc and "@" not in parts.netloc:
        # Slow to import, and needed by few.
        from storage.object_blobs import ObjectBlobs  # noqa: PLC0415

        options = Redacted(keys.reveal().get(url, {}))
        return ObjectBlobs(url, options, settings.timeout_s)
    raise UnsupportedStoreError(f"{setting} is of kind {parts.scheme!r}: {_WRITE}")


def _parse(credentials: Redacted[str]) -> Redacted[dict[str, Any]]:
    try:
        return Redacted(tomllib.loads(credentials.reveal()))
    except tomllib.TOMLDecodeError:
        # Without a cause: the foreign error holds the text.
        raise UnsupportedStoreError(
            f"the secret `{CREDENTIALS}` is no TOML: write a table for each URL, as "
            "docs/operations.md shows"
        ) from None
