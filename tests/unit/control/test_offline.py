import msgspec
import pytest

from config.errors import ConfigError
from config.model import DatabaseSettings, Settings
from control import requests as ask
from control.errors import UnreachableError
from control.live import NoLiveSessions
from control.node_requests import AskStatus
from control.offline import open_operations

from .conftest import web1
from .test_users import GOOD


def test_everything_about_credentials_goes_without_a_node(settings):
    with open_operations(settings, NoLiveSessions()) as operations:
        for request in (
            web1(),
            ask.AddUser(name="ada", password=GOOD),
            ask.GrantAccess(user="ada", secret=web1().name),
        ):
            list(operations.carry_out(request, "root"))
        request = ask.IssueCredential(secret=web1().name, user="ada")
        [issued] = operations.carry_out(request, "root")
    assert (issued.host, issued.port) == ("bastion.example.org", 2222)


def test_the_status_says_that_no_node_runs(settings, session_id):
    with open_operations(settings, NoLiveSessions()) as operations:
        [status] = operations.carry_out(AskStatus(), "root")
    assert (status.running, status.live_sessions) == (False, 1)
    assert "start it with `proxyd run`" in status.problems[0]


def test_a_live_session_needs_a_node(settings, session_id):
    with (
        open_operations(settings, NoLiveSessions()) as operations,
        pytest.raises(UnreachableError, match="no proxyd is running here"),
    ):
        list(operations.carry_out(ask.TerminateSession(id=session_id, reason=""), "root"))


def test_a_directory_without_a_vault_wants_init(tmp_path):
    with (
        pytest.raises(ConfigError, match="run `proxyd init`"),
        open_operations(Settings(state_dir=tmp_path), NoLiveSessions()),
    ):
        pass


def test_a_database_that_is_not_there_is_not_made_by_looking_into_it(settings, tmp_path):
    place = tmp_path / "gone.db"
    table = DatabaseSettings(url=f"sqlite:///{place}")
    lost = msgspec.structs.replace(settings, database=table)
    with (
        pytest.raises(ConfigError, match=r"gone\.db is not there: run `proxyd init`"),
        open_operations(lost, NoLiveSessions()),
    ):
        pass
    assert not place.exists()
