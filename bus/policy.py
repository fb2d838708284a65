"""What a broker's administrator has to allow, as `rabbitmqctl` lines. Pure.

An engine stands where it may be broken into, so its user can say only what an engine says,
under its own name and its own site, and hears only its own two queues.
"""

import shlex
from collections.abc import Mapping
from re import escape
from typing import Final

from bus import topology

_NOTHING: Final = "^$"
_WRITTEN_BY_ENGINES: Final = "^proxyd\\.(requests|chunks|pings|results|live)$"
_CONNECTIONS: Final = 6
"""Two that work, and those that a lost network left behind until the broker notices."""


def engine_policy(vhost: str, user: str, site: str, engine_id: str) -> list[str]:
    """Return the lines for the user of one engine; raise `ValueError` for a bad name."""
    topology.check_word("the site", site)
    topology.check_word("the engine's id", engine_id)
    ours = f"^proxyd\\.engine\\.{escape(engine_id)}\\.(replies|commands)$"
    key = escape(topology.engine_key(site, engine_id))
    topics = {
        topology.REQUESTS: f"^{key}$",
        topology.CHUNKS: f"^{key}$",
        topology.PINGS: f"^{key}$",
        topology.LIVE: f"^{key}\\.[0-9a-f-]{{36}}$",
    }
    return [
        *_user(vhost, user, ours, _WRITTEN_BY_ENGINES, ours),
        *_topics(vhost, user, topics),
        _line("set_user_limits", user, f'{{"max-connections": {_CONNECTIONS}}}'),
    ]


def control_policy(vhost: str, user: str) -> list[str]:
    """Return the lines for the user of control nodes that do not store."""
    queues = "site\\.[^.]+\\.requests|site\\.[^.]+\\.dead|node\\..+"
    return _server(vhost, user, f"requests|chunks|pings|live|results|dead|{queues}")


def worker_policy(vhost: str, user: str) -> list[str]:
    """Return the lines for the user of storage workers."""
    queues = "site\\.[^.]+\\.(chunks|pings|dead)|node\\..+"
    return _server(vhost, user, f"requests|chunks|pings|live|results|dead|{queues}")


def _server(vhost: str, user: str, names: str) -> list[str]:
    ours = f"^proxyd\\.({names})$"
    return _user(vhost, user, ours, f"{ours}|^amq\\.default$", ours)


def _user(vhost: str, user: str, configure: str, write: str, read: str) -> list[str]:
    return [
        f"# rabbitmqctl asks for the password of {user}; give the node the same one.",
        _line("add_user", user),
        _line("set_permissions", "-p", vhost, user, configure, write, read),
    ]


def _topics(vhost: str, user: str, topics: Mapping[str, str]) -> list[str]:
    return [
        _line("set_topic_permissions", "-p", vhost, user, exchange, write, _NOTHING)
        for exchange, write in topics.items()
    ]


def _line(*words: str) -> str:
    return shlex.join(["rabbitmqctl", *words])
