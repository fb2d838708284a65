"""An independent auditor looks at the gateway."""

import json
import sys
from typing import Any

import pytest
from peers.daemon import Daemon
from peers.output import run

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def report(daemon: Daemon) -> dict[str, Any]:
    argv = [sys.executable, "-m", "ssh_audit.ssh_audit", "--json", "--skip-rate-test"]
    done = run([*argv, "-p", str(daemon.port), "127.0.0.1"], seconds=60)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def notes(report: dict[str, Any], level: str) -> dict[str, list[str]]:
    """Algorithms that got a note of this level, by their kind."""
    kinds = ("kex", "key", "enc", "mac")
    return {
        kind: [one["algorithm"] for one in report[kind] if one.get("notes", {}).get(level)]
        for kind in kinds
    }


def test_nothing_fails(report: dict[str, Any]):
    assert notes(report, "fail") == {"kex": [], "key": [], "enc": [], "mac": []}
    assert report["cves"] == []


def test_the_only_warnings_are_for_key_exchanges_of_older_clients(report: dict[str, Any]):
    warned = notes(report, "warn")
    assert {kind: warned[kind] for kind in ("key", "enc", "mac")} == {
        "key": [],
        "enc": [],
        "mac": [],
    }
    assert set(warned["kex"]) <= {"curve25519-sha256", "curve25519-sha256@libssh.org"}


def test_key_exchange_is_strict_and_has_a_post_quantum_hybrid(report: dict[str, Any]):
    offered = [one["algorithm"] for one in report["kex"]]
    assert "kex-strict-s-v00@openssh.com" in offered
    assert any(name.startswith("mlkem768x25519") for name in offered)
    assert not any("diffie-hellman" in name for name in offered)


def test_nothing_is_compressed(report: dict[str, Any]):
    assert report["compression"] == ["none"]
