import pytest

from protocols.errors import TargetUnreachableError
from protocols.rdp.negotiation import answered
from protocols.rdp.wire.x224 import ConnectionConfirm, ConnectionRefusal, Security


@pytest.mark.parametrize("selected", [Security.TLS, Security.NLA])
def test_tls_and_nla_are_good_enough(selected: Security):
    assert answered(ConnectionConfirm(selected=selected).write()).selected == selected


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ConnectionRefusal(2), "neither TLS nor NLA"),
        (ConnectionRefusal(5), "agree on no protection"),
        (ConnectionRefusal(77), "code 77"),
        (ConnectionConfirm(selected=Security(0)), "RDP's own security"),
        (ConnectionConfirm(selected=Security.RDSTLS), "RDP's own security"),
        (ConnectionConfirm(selected=Security.NLA_EARLY_RESULT), "RDP's own security"),
    ],
)
def test_everything_else_is_refused_in_words(answer, words):
    with pytest.raises(TargetUnreachableError, match=words):
        answered(answer.write())
