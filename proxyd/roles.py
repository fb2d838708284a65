"""Which node a role is, and whether the settings let it be."""

from collections.abc import Callable
from typing import Final

from bus.amqp import is_amqp
from config.errors import ConfigError
from config.model import Settings
from proxyd.service import Node

ALL, ENGINE, WORKER, CONTROL = "all", "engine", "worker", "control"
ROLES: Final = (ALL, ENGINE, WORKER, CONTROL)
MEMORY: Final = "memory:"


def check_bus(role: str, url: str) -> None:
    """Raise `ConfigError` where `role` cannot run on this bus."""
    if url == MEMORY and role != ALL:
        raise ConfigError(
            f'bus.url: "memory:" joins roles within one process, so `proxyd run {role}` would '
            "talk to nobody: start `proxyd run`, which is every role, or name a broker"
        )
    if is_amqp(url) and role == ALL:
        raise ConfigError(
            "bus.url names a broker, and `proxyd run` is every role in one process: start "
            '`proxyd run control`, `worker` or `engine`, or set "memory:"'
        )
    if url != MEMORY and not is_amqp(url):
        raise ConfigError(
            f'bus.url: {url.partition(":")[0]}: is no bus of this version; set "memory:" or '
            "amqps://USER@HOST/VHOST"
        )


def check_database(role: str, url: str) -> None:
    """Raise `ConfigError` where `role` cannot use this database."""
    if role == WORKER and url.startswith("sqlite"):
        raise ConfigError(
            "database.url: SQLite has one writer, and `proxyd run control` is it: it stores "
            "recordings too; for workers beside it name a PostgreSQL database"
        )


def node_of(role: str, settings: Settings, reread: Callable[[], Settings]) -> Node:
    """Return the node to run; raise `ConfigError`. Loads only what the role needs."""
    check_bus(role, settings.bus.url)
    check_database(role, settings.database_url)
    match role:
        case "engine":
            from proxyd.engine_node import EngineNode  # noqa: PLC0415 - no database in there

            return EngineNode(settings, reread)
        case "worker":
            from proxyd.worker_node import WorkerNode  # noqa: PLC0415

            return WorkerNode(settings, reread)
        case "control":
            from proxyd.control_node import ControlNode  # noqa: PLC0415

            return ControlNode(settings, reread)
    from proxyd.node import WholeNode  # noqa: PLC0415

    return WholeNode(settings, reread)
