"""The page, for its API."""

from unit.control.web.conftest import (  # noqa: F401 - fixtures
    app,
    browse,
    hashed,
    log_in,
    not_ready,
    page,
    people,
    shell,
)
