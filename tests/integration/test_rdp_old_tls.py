"""Targets that speak only the TLS of their time, as Windows Server 2008 R2 does unpatched."""

import ssl
from pathlib import Path

import pytest
from peers.rdp_target import OddTarget
from samples.rdp import accepted_client, logon

from bus.contract import HostKeyPolicy
from config.model import RDPSettings
from protocols.errors import TargetUnreachableError
from protocols.rdp.certificates import TargetCertificates
from protocols.rdp.connector import Connector
from protocols.rdp.dialler import dial
from recorder.session_info import Target, TargetProtocol


async def no_pin(_key: str) -> tuple[str, ...]:
    raise AssertionError("a given certificate is not pinned")


async def dialled(folder: Path, newest: ssl.TLSVersion, *, old_tls: bool) -> Connector:
    odd = OddTarget(folder, "old", b"", newest=newest)
    certificates = TargetCertificates(
        HostKeyPolicy.GIVEN,
        (odd.fingerprint,),
        no_pin,
        secret_name="old",
        old_tls=old_tls,
    )
    connector = Connector(accepted_client(), logon("cliprdr"))
    async with odd.listening("127.0.0.1") as port:
        target = Target(protocol=TargetProtocol.RDP, host="127.0.0.1", port=port)
        leg = await dial(target, connector, certificates, RDPSettings())
        leg.abort()
    return connector


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_a_target_with_old_tls_is_reached_where_its_secret_says_so(
    tmp_path: Path, newest: ssl.TLSVersion
) -> None:
    connector = await dialled(tmp_path, newest, old_tls=True)
    assert connector.target is not None


async def test_elsewhere_it_is_refused_and_its_operator_reads_what_to_do(
    tmp_path: Path,
) -> None:
    with pytest.raises(TargetUnreachableError, match="old-tls"):
        await dialled(tmp_path, ssl.TLSVersion.TLSv1_1, old_tls=False)


async def test_who_may_speak_old_tls_speaks_the_newest_that_both_know(tmp_path: Path) -> None:
    connector = await dialled(tmp_path, ssl.TLSVersion.TLSv1_3, old_tls=True)
    assert connector.target is not None
