import asyncio
import datetime as dt
import socket
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from peers.rabbitmq import PASSWORD, new_vhost
from sqlalchemy import text

from config.model import AuditSettings, BusSettings, DatabaseSettings, MetricsSettings, Settings
from proxyd import neighbours
from proxyd.metrics import Metrics, MetricsServer
from proxyd.neighbours import Doubtful, Ill
from storage.database import Database


def with_audit(**audit: Any) -> Settings:
    return Settings(audit=AuditSettings(**audit))


@pytest.mark.parametrize("scheme", ["tcp", "tls"])
def test_a_syslog_server_that_is_away_is_found(scheme):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"{scheme}://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(Ill, match="see that the server runs"):
            neighbours.check_syslog(with_audit(syslog=url))


def test_a_syslog_server_that_listens_is_well():
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        assert "takes connections" in neighbours.check_syslog(with_audit(syslog=url))


def test_a_trail_that_is_copied_nowhere_is_doubtful():
    with pytest.raises(Doubtful, match="copied nowhere"):
        neighbours.check_syslog(Settings())


@pytest.fixture
def certified(tmp_path: Path):
    """Makes a certificate that is good for so many days."""

    def make(days: float) -> Settings:
        key = generate_private_key(SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "logs")])
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - dt.timedelta(days=90))
            .not_valid_after(now + dt.timedelta(days=days))
            .sign(key, SHA256())
        )
        path = tmp_path / "ca.pem"
        path.write_bytes(certificate.public_bytes(Encoding.PEM))
        return with_audit(syslog_ca=path)

    return make


def test_a_certificate_is_told_of_before_it_expires_and_after(certified):
    assert neighbours.check_certificates(certified(90)).startswith("audit.syslog_ca until 20")
    with pytest.raises(Doubtful, match="replace it before"):
        neighbours.check_certificates(certified(10))
    with pytest.raises(Ill, match="expired on"):
        neighbours.check_certificates(certified(-1))


def test_a_file_that_holds_no_certificate_is_found(tmp_path):
    (tmp_path / "ca.pem").write_text("hello")
    with pytest.raises(Ill, match="no certificate in PEM"):
        neighbours.check_certificates(with_audit(syslog_ca=tmp_path / "ca.pem"))


async def test_a_node_is_asked_whether_it_can_take_work():
    why: list[str] = []
    server = MetricsServer(Metrics(), "127.0.0.1", 0, lambda: why)
    async with server.listening() as (host, port):
        settings = Settings(metrics=MetricsSettings(listen=f"{host}:{port}"))

        async def ask() -> str:
            return await asyncio.to_thread(neighbours.check_ready, settings)

        assert await ask() == "runs, and can take work"
        why.append("the spool is full")
        with pytest.raises(Ill, match="no work: the spool is full"):
            await ask()
    assert neighbours.check_ready(settings) == "does not run"


def test_something_else_at_the_port_is_no_node():
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        other.close()
        assert neighbours.readiness(Settings(metrics=MetricsSettings(listen=listen))) is None


def test_a_clock_that_nobody_keeps_right_is_doubtful(tmp_path, monkeypatch):
    settings = Settings(state_dir=tmp_path)
    monkeypatch.setattr(neighbours, "is_kept_right", lambda: False)
    with pytest.raises(Doubtful, match="nothing keeps it right"):
        neighbours.check_clock(settings)
    monkeypatch.setattr(neighbours, "is_kept_right", lambda: True)
    assert "kept by NTP" in neighbours.check_clock(settings)


def test_the_kernel_can_be_asked_about_its_clock():
    assert neighbours.is_kept_right() in (True, False)


@pytest.mark.peers
def test_a_broker_is_asked_to_let_us_in(rabbitmq, tmp_path):
    vhost = new_vhost(rabbitmq)
    secret = tmp_path / "password"
    secret.touch(0o600)

    def check(password: str, url: str = vhost.url) -> str:
        secret.write_text(password)
        bus = BusSettings(url=url, password_file=secret)
        return neighbours.check_broker(Settings(bus=bus))

    assert "lets us in" in check(PASSWORD)
    with pytest.raises(Ill, match="ACCESS_REFUSED"):
        check("wrong")
    with pytest.raises(Ill, match="see that it runs"):
        check(PASSWORD, "amqp://guest@127.0.0.1:1/")


def test_a_broker_whose_password_systemd_keeps_cannot_be_tried():
    bus = BusSettings(url="amqp://guest@127.0.0.1:1/")
    with pytest.raises(Doubtful, match="no node runs that could tell"):
        neighbours.check_broker(Settings(bus=bus, metrics=MetricsSettings(listen="")))
    assert neighbours.check_broker(Settings()) == "none: every role is in one process"


@pytest.mark.peers
def test_a_postgresql_of_this_version_is_well_and_an_older_one_doubtful(postgresql):
    settings = Settings(database=DatabaseSettings(url=postgresql))
    assert "answered in" in neighbours.check_database(settings)
    database = Database(postgresql)
    with database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    database.close()
    with pytest.raises(Doubtful, match="has schema 0001"):
        neighbours.check_database(settings)


@pytest.mark.peers
def test_a_postgresql_without_tables_or_without_life_is_found(postgresql_server):
    empty = postgresql_server.empty_database()
    with pytest.raises(Ill, match="run `proxyd init` first"):
        neighbours.check_database(Settings(database=DatabaseSettings(url=empty)))
    away = DatabaseSettings(url="postgresql+psycopg2://proxyd@127.0.0.1:1/proxyd")
    with pytest.raises(Ill, match="check that it runs"):
        neighbours.check_database(Settings(database=away))
