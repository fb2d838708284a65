import datetime as dt

import msgspec
import pytest

from clients.launcher.answer import decode
from control.launch_requests import (
    IssuedLaunchLink,
    LaunchedClient,
    MakeLaunchLink,
    RedeemLaunchLink,
)
from recorder.session_info import TargetProtocol

NOW = dt.datetime(2026, 11, 29, tzinfo=dt.UTC)
LAUNCHED = LaunchedClient(
    kind=TargetProtocol.SSH,
    secret="web1",
    host="gate.example",
    port=2222,
    username="ada-4k2m9x",
    password="A" * 24,
    expires_at=NOW,
    channels=("shell", "clipboard-rich-in"),
    host_keys=("ssh-ed25519 " + "A" * 68,),
    certificate_fingerprints=("0" * 64,),
    notice="This session is recorded.",
)


def test_the_launcher_reads_what_the_server_writes():
    order = decode(msgspec.json.encode(LAUNCHED))
    for name in (
        "kind",
        "secret",
        "host",
        "port",
        "username",
        "password",
        "channels",
        "notice",
    ):
        assert getattr(order, name) == getattr(LAUNCHED, name)
    assert order.host_keys == LAUNCHED.host_keys
    assert order.certificate_fingerprints == LAUNCHED.certificate_fingerprints


@pytest.mark.parametrize(
    "told",
    [
        LAUNCHED,
        RedeemLaunchLink(token="hidden"),
        MakeLaunchLink(secret="web1", user="ada", login=b"hidden"),
        IssuedLaunchLink(
            path="/launch/hidden", secret="x", protocol=TargetProtocol.SSH, expires_at=NOW
        ),
    ],
)
def test_what_is_secret_in_one_is_not_shown_by_it(told):
    assert "hidden" not in repr(told)
    assert "A" * 24 not in repr(told)
    assert "redacted" in repr(told)
