"""A real S3 server on a free port: moto's, which keeps objects in memory."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from peers.needed import answers, environment, free_port, wait_until
from peers.userland import stop


class ObjectStore:
    """The server, and what a client needs to reach it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.endpoint = f"http://127.0.0.1:{port}"
        self._buckets = 0

    @property
    def keys(self) -> dict[str, Any]:
        return {
            "access_key_id": "AKIAPROXYD",
            "secret_access_key": "sesame",
            "region": "eu-west-3",
            "endpoint": self.endpoint,
        }

    def bucket(self) -> str:
        """Return the name of a new, empty bucket."""
        self._buckets += 1
        name = f"recordings-{self._buckets}"
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        with closing(connection):
            connection.request("PUT", f"/{name}")
            assert connection.getresponse().status == HTTPStatus.OK
        return name

    def credentials(self, *urls: str) -> str:
        """Return what `[blobs] credentials_file` holds for these URLs."""
        lines = "".join(f'{name} = "{value}"\n' for name, value in self.keys.items())
        return "".join(f'["{url}"]\n{lines}' for url in urls)


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    port = free_port()
    log = tmp_path_factory.mktemp("object-store") / "log"
    moto = Path(sys.executable).with_name("moto_server")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [moto, "-H", "127.0.0.1", "-p", str(port)],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    wait_until(lambda: answers(port), f"no S3 server: {log.read_text()}", seconds=30)
    yield ObjectStore(port)
    stop(process)
