import datetime as dt

import pytest

from control.rdp_file import rdp_file
from control.requests import IssuedCredential
from recorder.session_info import TargetProtocol


@pytest.mark.parametrize(
    ("host", "address"), [("gate.example", "gate.example"), ("2001:db8::1", "[2001:db8::1]")]
)
def test_mstsc_is_told_where_and_who_and_no_password(host, address):
    issued = IssuedCredential(
        id="c1",
        username="4nwfvf2nzjs8a",
        password="jsOWFXqvCBKFHLUUPIE2Xc42",
        host=host,
        port=3390,
        protocol=TargetProtocol.RDP,
        expires_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        uses=1,
        commands={},
    )
    lines = rdp_file(issued).decode().split("\r\n")
    assert f"full address:s:{address}:3390" in lines
    assert "username:s:4nwfvf2nzjs8a" in lines
    assert "enablecredsspsupport:i:1" in lines
    assert "autoreconnection enabled:i:1" in lines
    assert issued.password not in "".join(lines)
