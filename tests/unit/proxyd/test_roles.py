import pytest

from config.errors import ConfigError
from config.model import BusSettings, DatabaseSettings, Settings
from proxyd.control_node import ControlNode
from proxyd.engine_node import EngineNode
from proxyd.node import WholeNode
from proxyd.roles import check_bus, check_database, node_of
from proxyd.worker_node import WorkerNode

BROKER = "amqps://proxyd@broker.example/"
POSTGRESQL = "postgresql+psycopg2://proxyd@db.example/proxyd"


@pytest.mark.parametrize(
    ("role", "url", "complaint"),
    [
        ("engine", "memory:", "would talk to nobody"),
        ("all", BROKER, "every role in one process"),
        ("all", "nats://host/", "nats: is no bus of this version"),
    ],
)
def test_a_role_and_its_bus_must_fit(role, url, complaint):
    with pytest.raises(ConfigError, match=complaint):
        check_bus(role, url)
    check_bus("all", "memory:")
    check_bus("engine", BROKER)


def test_sqlite_has_no_worker_beside_control():
    with pytest.raises(ConfigError, match="SQLite has one writer"):
        check_database("worker", "sqlite:////proxyd.db")
    check_database("worker", POSTGRESQL)
    check_database("control", "sqlite:////proxyd.db")


@pytest.mark.parametrize(
    ("role", "url", "kind"),
    [
        ("all", "memory:", WholeNode),
        ("engine", BROKER, EngineNode),
        ("worker", BROKER, WorkerNode),
        ("control", BROKER, ControlNode),
    ],
)
def test_each_role_is_its_node(role, url, kind):
    settings = Settings(bus=BusSettings(url=url), database=DatabaseSettings(url=POSTGRESQL))
    node = node_of(role, settings, lambda: settings)
    assert isinstance(node, kind)
    assert node.status() == "starting"
