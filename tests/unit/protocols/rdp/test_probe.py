import pytest
from samples.rdp import PUBLIC_KEY, REAL, challenge, proof_of, sent

from protocols.errors import RemoteProtocolError, TargetUnreachableError
from protocols.rdp.credssp import LOGON_FAILURE, CredSSPAcceptor
from protocols.rdp.probe import Probe
from protocols.rdp.steps import Ready, StartTLS
from protocols.rdp.wire import x224
from protocols.rdp.wire.ts_request import TSRequest

TLS, NLA = x224.Security.TLS, x224.Security.NLA


def asked(selected: x224.Security) -> Probe:
    probe = Probe(REAL, "target")
    probe.start()
    answer = x224.ConnectionConfirm(selected=selected).write()
    assert probe.receive(answer[:5]) == []
    assert probe.receive(answer[5:]) == [StartTLS()]
    return probe


def test_a_target_that_takes_the_credential_is_left_before_the_password():
    probe, target = asked(NLA), CredSSPAcceptor(PUBLIC_KEY, challenge())
    answer = sent(target.receive(sent(probe.tls_started(PUBLIC_KEY))))
    [wanted] = target.receive(sent(probe.receive(answer)))
    key = proof_of(wanted, REAL.password)
    assert key is not None
    assert probe.receive(sent(target.proved(key))) == [Ready()]
    assert probe.proved


def test_a_target_that_does_not_take_it_says_why():
    probe = asked(NLA)
    probe.tls_started(PUBLIC_KEY)
    with pytest.raises(TargetUnreachableError, match="wrong user name or password"):
        probe.receive(TSRequest(error_code=LOGON_FAILURE).write())


def test_tls_alone_proves_nothing():
    probe = asked(TLS)
    assert probe.tls_started(PUBLIC_KEY) == [Ready()]
    assert not probe.proved


def test_bytes_before_tls_are_refused():
    probe = Probe(REAL, "target")
    answer = x224.ConnectionConfirm(selected=TLS).write()
    with pytest.raises(RemoteProtocolError, match="before TLS"):
        probe.receive(answer + answer)
