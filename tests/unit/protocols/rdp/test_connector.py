import pytest
from msgspec import structs
from samples.rdp import (
    COOKIE,
    PUBLIC_KEY,
    REAL,
    ScriptedTarget,
    accepted_client,
    connected,
    logon,
    sent,
)

from protocols.errors import RemoteProtocolError, TargetUnreachableError
from protocols.rdp.connector import Connector
from protocols.rdp.steps import StartTLS
from protocols.rdp.wire import gcc, mcs, x224
from protocols.rdp.wire.client_info import InfoFlag

TLS, NLA = x224.Security.TLS, x224.Security.NLA


def test_the_target_gets_the_real_credential_and_nothing_of_the_generated_one():
    target, client = ScriptedTarget(), accepted_client()
    connected(client, target, "cliprdr")
    info = target.info
    assert (info.domain, info.username, info.password) == (
        REAL.domain,
        REAL.username,
        REAL.password,
    )
    everything = b"".join(target.heard)
    for said in (client.info.username, client.info.password):
        assert said.encode("utf-16-le") not in everything


def test_a_target_is_offered_tls_and_nla_and_nothing_that_we_do_not_read():
    # An early result would be four bytes behind CredSSP, which is not all that send it.
    [send] = Connector(accepted_client(), logon()).start()
    assert x224.ConnectionRequest.read(sent([send])).protocols == TLS | NLA
    connector = Connector(accepted_client(), logon())
    connector.start()
    early = x224.ConnectionConfirm(selected=x224.Security.NLA_EARLY_RESULT)
    with pytest.raises(TargetUnreachableError):
        connector.receive(early.write())


def test_a_client_that_logs_on_by_smart_card_leaves_a_password_one():
    target, client = ScriptedTarget(), accepted_client()
    flags = client.info.flags | InfoFlag.PASSWORD_IS_PIN
    program = {"shell": "cmd.exe", "directory": "C:\\"}
    smart = structs.replace(client.info, flags=flags, **program)
    connected(structs.replace(client, info=smart), target, "cliprdr")
    info = target.info
    assert not info.flags & InfoFlag.PASSWORD_IS_PIN
    assert (info.shell, info.directory) == ("", "")


def test_a_denied_channel_does_not_exist_on_the_target():
    target, client = ScriptedTarget(), accepted_client()
    connector, side = connected(client, target, "cliprdr")
    asked = gcc.read_channels(gcc.find(target.blocks, gcc.Block.CLIENT_NETWORK))
    assert [one.name for one in asked] == ["cliprdr"]
    assert connector.refused_channels == ("rdpdr",)
    assert side.channel_ids == {1005: 1020}


def test_the_auto_reconnect_cookie_is_never_forwarded():
    target = ScriptedTarget()
    connected(accepted_client(), target)
    assert COOKIE not in b"".join(target.heard)
    assert target.info.extra.endswith(b"\x07\0\0\0\0\0")


def test_compression_is_set_to_what_can_be_replayed():
    target = ScriptedTarget()
    _, side = connected(accepted_client(), target)
    kind = (target.info.flags & InfoFlag.COMPRESSION_TYPE) >> 9
    assert target.info.flags & InfoFlag.COMPRESSION
    assert (kind, side.compressed) == (1, True)
    assert target.info.flags & InfoFlag.AUTOLOGON
    assert target.info.flags & InfoFlag.LOGON_ERRORS


def test_the_target_is_told_its_own_choice_and_of_no_graphics_pipeline():
    target = ScriptedTarget()
    connected(accepted_client(), target)
    core = gcc.find(target.blocks, gcc.Block.CLIENT_CORE)
    assert core is not None
    assert core[208:212] == TLS.to_bytes(4, "little")
    early = int.from_bytes(core[140:142], "little")
    assert early & 0x0002
    assert not early & 0x0D80


def test_multitransport_monitors_and_messages_are_left_out():
    target = ScriptedTarget()
    connected(accepted_client(), target, "cliprdr")
    kinds = {kind for kind, _ in target.blocks}
    assert kinds == {
        gcc.Block.CLIENT_CORE,
        gcc.Block.CLIENT_SECURITY,
        gcc.Block.CLIENT_NETWORK,
        gcc.Block.CLIENT_CLUSTER,
    }
    cluster = gcc.find(target.blocks, gcc.Block.CLIENT_CLUSTER)
    assert cluster is not None
    assert cluster[0] == 0x0D


def test_lengths_in_the_conference_have_two_bytes():
    target = ScriptedTarget()
    connected(accepted_client(), target)
    user_data = mcs.ConnectInitial.read(target.heard[1]).user_data
    # xrdp skips a header of 23 bytes: this one, with two bytes for each length.
    assert user_data.index(b"Duca") + 4 + 2 == 23


def test_no_credential_is_used_before_the_certificate_was_accepted():
    connector = Connector(accepted_client(), logon())
    target = ScriptedTarget(NLA)
    steps = connector.receive(target.answer(sent(connector.start())))
    assert steps == [StartTLS()]
    [send] = connector.tls_started(PUBLIC_KEY)
    assert b"NTLMSSP" in send.data


@pytest.mark.parametrize("more", [mcs.attach_user_confirm(1010), b"\x03"])
def test_bytes_behind_the_answer_do_not_slip_in_front_of_tls(more: bytes):
    """Whoever stands between could say them, and no certificate vouches for him."""
    connector = Connector(accepted_client(), logon())
    target = ScriptedTarget()
    with pytest.raises(RemoteProtocolError, match="before TLS"):
        connector.receive(target.answer(sent(connector.start())) + more)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (x224.ConnectionRefusal(2).write(), "neither TLS nor NLA"),
        (x224.ConnectionRefusal(5).write(), "agree on no protection"),
        (x224.ConnectionRefusal(77).write(), "code 77"),
        (x224.ConnectionConfirm(selected=x224.Security(0)).write(), "RDP's own security"),
        (x224.ConnectionConfirm(selected=x224.Security.RDSTLS).write(), "own security"),
    ],
)
def test_a_target_without_protection_is_refused(answer: bytes, words: str):
    connector = Connector(accepted_client(), logon())
    connector.start()
    with pytest.raises(TargetUnreachableError, match=words):
        connector.receive(answer)


def test_encryption_of_rdps_own_inside_tls_is_refused():
    class Encrypting(ScriptedTarget):
        def _response(self) -> gcc.Blocks:
            return [*super()._response()[:2], (gcc.Block.SERVER_SECURITY, b"\2\0\0\0\2\0\0\0")]

    with pytest.raises(RemoteProtocolError, match="own encryption"):
        connected(accepted_client(), Encrypting())


def test_what_the_target_says_early_waits_for_the_relay():
    class Hasty(ScriptedTarget):
        def _answer(self, packet: bytes) -> bytes:
            answer = super()._answer(packet)
            last_join = mcs.join(self.user, self.first)
            return answer + (b"\x04\x05abc" if packet == last_join else b"")

    connector, _ = connected(accepted_client(), Hasty(), "cliprdr")
    assert connector.take_rest() == b"\x04\x05abc"
    assert connector.take_rest() == b""
