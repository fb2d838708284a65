import subprocess
import sys

import pytest

from config.errors import ConfigError
from control.gateway_keys import usable_host_keys
from control.state_folder import make_folder, set_up_engine


def test_an_engine_gets_a_closed_folder_and_host_keys_and_no_database(tmp_path):
    state = tmp_path / "state"
    told = set_up_engine(state)
    assert [line.split()[1] for line in told] == ["the", "the", "the"]
    assert state.stat().st_mode & 0o777 == 0o700
    assert len(usable_host_keys(state)) == 2
    assert not list(state.glob("*.db")) + list(state.glob("master*"))
    assert set_up_engine(state) == []


def test_a_folder_of_somebody_else_is_not_closed(tmp_path):
    (tmp_path / "precious").touch()
    tmp_path.chmod(0o755)
    with pytest.raises(ConfigError, match="holds files that are not proxyd's"):
        make_folder(tmp_path)


def test_an_engine_s_process_never_loads_the_database():
    loads = "import sys, proxyd.engine_node, control.state_folder; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", loads], capture_output=True, check=True, text=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "pika" in loaded
    assert not loaded & {"sqlalchemy", "alembic", "psycopg2", "sqlite3"}
