"""The whole daemon on PostgreSQL, with the bytes of recordings in an object store."""

from collections.abc import Iterator

import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.needed import wait_until
from peers.object_store import ObjectStore
from peers.openssh import OpenSSHServer
from peers.postgresql import PostgreSQLServer, database_name

pytestmark = pytest.mark.peers
SAID = "all the way to postgresql"


@pytest.fixture(scope="module")
def database_url(postgresql_server: PostgreSQLServer) -> Iterator[str]:
    url = postgresql_server.empty_database()
    yield url
    postgresql_server.drop(url)


@pytest.fixture(scope="module")
def daemon(
    make_daemon: MakeDaemon,
    openssh_server: OpenSSHServer,
    database_url: str,
    object_store: ObjectStore,
    tmp_path_factory: pytest.TempPathFactory,
) -> Daemon:
    blobs = f"s3://{object_store.bucket()}/proxyd"
    keys = tmp_path_factory.mktemp("keys") / "blob-credentials.toml"
    keys.touch(mode=0o600)
    keys.write_text(object_store.credentials(blobs))
    daemon = make_daemon(
        PROXYD_DATABASE__URL=database_url,
        PROXYD_BLOBS__SITES=f'{{default = "{blobs}"}}',
        PROXYD_BLOBS__CREDENTIALS_FILE=str(keys),
    )
    daemon.add_secret("web", openssh_server)
    return daemon


def test_a_session_is_recorded_found_and_exported(
    daemon: Daemon, database_url: str, postgresql_server: PostgreSQLServer
):
    output = daemon.login("web").run("echo", SAID)
    assert output.stdout.decode().strip() == SAID
    recording = daemon.recorded()
    assert recording.export("output").decode() == f"{SAID}\n"
    assert recording.verify() == 0
    name = database_name(database_url)
    assert postgresql_server.sql("SELECT count(*) FROM blobs", name) == [(0,)]
    wait_until(lambda: daemon.json("session", "search", "way to POSTGRES"), "nothing found")
    hits = daemon.json("session", "search", "way to POSTGRES")
    assert {hit["session"] for hit in hits} == {recording.id}


def test_a_lost_blob_is_found_by_verify_and_named(
    daemon: Daemon, database_url: str, postgresql_server: PostgreSQLServer
):
    daemon.login("web").run("echo", SAID)
    recording = daemon.recorded()
    name = database_name(database_url)
    postgresql_server.sql("UPDATE chunks SET blob = 'default/lost' WHERE sequence = 0", name)
    found = daemon.cli("session", "verify", recording.id, check=False)
    assert found.status == 6
    assert "chunk 0" in found.text
