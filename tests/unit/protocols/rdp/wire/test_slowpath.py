from samples.rdp import share

from protocols.rdp.wire.errinfo import ErrorInfo
from protocols.rdp.wire.slowpath import (
    Share,
    is_flow,
    set_error_info,
    share_data_kind,
    share_kind,
    split_shares,
    without_reconnect_cookie,
)


def test_an_error_info_is_as_the_specification_shows_it():
    data = set_error_info(ErrorInfo.DENIED)
    assert (share_kind(data), len(data)) == (Share.DATA, 22)
    assert share_data_kind(data) == 47
    assert data[18:] == b"\x07\0\0\0"


def test_what_has_a_security_header_is_no_share():
    for data in (b"\x80\0\0\0\xff\x03\x10\0", b"\x40\0\0\0info", b"\x05\0", b""):
        assert share_kind(data) is None


def test_share_pdus_in_one_packet_are_told_apart():
    one, two = share(Share.DEACTIVATE_ALL, b"abc"), share(Share.DATA, bytes(20))
    assert split_shares(one + two) == [one, two]
    assert split_shares(one) == [one]
    assert split_shares(one + b"x") == [one]
    for data in (one + two[:-1], one[:-1], b"x", b""):
        assert split_shares(data) is None


def test_flow_control_is_left_out():
    flow, beep = b"\0\x80\x41\0\0\0\xea\x03", share(Share.DATA, bytes(20))
    assert is_flow(flow)
    assert not is_flow(flow + b"x")
    assert not is_flow(beep)
    assert split_shares(flow) == []
    assert split_shares(flow + beep + flow) == [beep]
    assert split_shares(beep + flow[:-1]) is None


def test_a_deactivation_alone_may_be_short():
    assert share_kind(b"\4\0\x16\0") == Share.DEACTIVATE_ALL
    for data in (b"\4\0\x17\0", b"\5\0\x17\0\0", b"\3\0\x16"):
        assert share_kind(data) is None


def test_a_redirection_has_no_version():
    data = share(Share.SERVER_REDIRECT, bytes(14))
    as_specified = data[:2] + b"\x0a" + data[3:]
    assert share_kind(data) == share_kind(as_specified) == Share.SERVER_REDIRECT
    assert share_kind(data[:2] + b"\x07" + data[3:]) is None


def test_only_a_cookie_is_taken_out():
    assert without_reconnect_cookie(share(Share.DATA, bytes(60))) is None
    assert without_reconnect_cookie(share(Share.DATA, bytes(5))) is None
