import datetime as dt
import os

import pytest
from samples.chunks import INFO, KEYS, SESSION, Signers, three_chunks

from recorder.clock import SystemClock
from storage.blobs import DatabaseBlobs
from storage.database import Database
from storage.writer import Writer


@pytest.fixture
def recorded(state):
    database = Database(f"sqlite:///{state}/proxyd.db")
    Writer(database, DatabaseBlobs(), SystemClock(), KEYS, Signers()).store_all(three_chunks())
    database.close()
    return str(SESSION)


def test_rules_are_set_shown_and_unset(proxyd, answer, recorded):
    assert proxyd("retention", "set", "--default", "--days", "90").exit_code == 0
    assert "kept for ever" in proxyd("retention", "set", "--secret", "web", "--forever").stdout
    assert answer("retention", "show") == [
        {"scope": "default", "name": "", "days": 90},
        {"scope": "secret", "name": "web", "days": None},
    ]
    assert "90 days" in proxyd("retention", "show").stdout
    assert proxyd("retention", "unset", "--default").exit_code == 0
    assert proxyd("retention", "unset", "--default").exit_code == 3


def test_a_rule_for_a_secret_that_nothing_knows_is_not_made(proxyd, answer):
    result = proxyd("retention", "set", "--secret", "wbe", "--days", "7")
    assert result.exit_code == 3
    assert "no secret is named `wbe`" in result.stderr
    assert answer("retention", "show") == []


@pytest.mark.parametrize(
    "options",
    [
        ("--days", "7"),
        ("--default", "--site", "lyon", "--days", "7"),
        ("--default",),
        ("--default", "--days", "7", "--forever"),
        ("--default", "--days", "0"),
    ],
)
def test_a_rule_that_makes_no_sense_is_a_usage_error(proxyd, options):
    assert proxyd("retention", "set", *options).exit_code == 2


def test_a_recording_is_deleted_unless_it_is_held(proxyd, answer, recorded):
    assert INFO.started_at < dt.datetime.now(dt.UTC) - dt.timedelta(days=2)
    proxyd("retention", "set", "--default", "--days", "1")
    assert proxyd("session", "hold", recorded, "--reason", "case 7").exit_code == 0
    assert answer("retention", "run") == []
    assert answer("session", "show", recorded)["hold_reason"] == "case 7"
    assert proxyd("session", "release", recorded).exit_code == 0
    assert recorded[:8] in proxyd("retention", "run", "--dry-run").stdout
    assert [one["session"] for one in answer("retention", "run")] == [recorded]
    shown = answer("session", "show", recorded)
    assert shown["deleted_at"] is not None
    assert shown["complete"]


def test_whoever_asks_for_a_deleted_recording_is_told(proxyd, recorded):
    proxyd("retention", "set", "--default", "--days", "1")
    proxyd("retention", "run")
    for command in (("verify",), ("export", "--format", "output", "--out", "-")):
        result = proxyd("session", command[0], recorded, *command[1:])
        assert result.exit_code == 3
        assert "was deleted at" in result.stderr


def test_blobs_that_no_recording_names_are_listed_and_deleted_only_on_demand(
    proxyd, answer, config_path, tmp_path
):
    name = f"{SESSION}/00000009-0123456789abcdef"
    lost = tmp_path / "blobs" / name
    lost.parent.mkdir(parents=True)
    lost.write_bytes(b"x")
    os.utime(lost, (1_000_000, 1_000_000))
    with config_path.open("a") as config:
        config.write(f'[blobs]\nurl = "file://{tmp_path}/blobs"\n')
    assert answer("retention", "sweep") == [{"key": name}]
    assert lost.exists()
    assert name in proxyd("retention", "sweep", "--delete").stdout
    assert not lost.exists()
