import pytest

from control.command_lines import command_lines
from recorder.session_info import TargetProtocol


def test_the_command_lines_are_ready_to_paste():
    lines = command_lines(TargetProtocol.SSH, "abc", "bastion.example.org", 2222)
    assert lines["openssh"] == "ssh -p 2222 abc@bastion.example.org"
    assert lines["putty"] == "putty -ssh -P 2222 abc@bastion.example.org"
    assert lines["plink"] == "plink -ssh -P 2222 -l abc bastion.example.org"
    lines = command_lines(TargetProtocol.RDP, "abc", "2001:db8::1", 3390)
    assert lines == {
        "mstsc": "mstsc /v:[2001:db8::1]:3390",
        "xfreerdp": "xfreerdp /v:[2001:db8::1]:3390 /u:abc -clipboard",
    }


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("clipboard-in", "+clipboard"),
        ("drives", "-clipboard /drive:NAME,FOLDER"),
        ("drives-out", "-clipboard /drive:NAME,FOLDER"),
        ("printers", "-clipboard /printer"),
        ("audio", "-clipboard /sound"),
        ("microphone", "-clipboard /microphone"),
        ("dynamic", "-clipboard /dynamic-resolution"),
        ("redirection", "-clipboard"),
    ],
)
def test_xfreerdp_is_told_to_offer_what_the_secret_lets_through(word, said):
    lines = command_lines(TargetProtocol.RDP, "abc", "gate", 3390, [word])
    assert lines["xfreerdp"] == f"xfreerdp /v:gate:3390 /u:abc {said}"


def test_a_port_that_is_yet_to_be_chosen_is_left_to_fill_in():
    lines = command_lines(TargetProtocol.SSH, "abc", "gate", 0)
    assert lines["openssh"] == "ssh -p PORT abc@gate"
