"""What a target answers to a connection request, and what of it is good enough."""

from protocols.errors import TargetUnreachableError
from protocols.rdp.wire import x224


def answered(packet: bytes) -> x224.ConnectionConfirm:
    """Return what the target chose.

    Raises `TargetUnreachableError` where it protects no password, and
    `RemoteProtocolError` where it makes no sense.
    """
    answer = x224.read_answer(packet)
    if isinstance(answer, x224.ConnectionRefusal):
        raise TargetUnreachableError(_refusal(answer.code))
    if answer.selected not in {x224.Security.TLS, x224.Security.NLA}:
        raise TargetUnreachableError(
            "the target speaks RDP's own security only, which protects no password: let it "
            "offer TLS or NLA"
        )
    return answer


def _refusal(code: int) -> str:
    match code:
        case x224.FailureCode.TLS_NOT_ALLOWED | x224.FailureCode.NO_CERTIFICATE:
            return "the target offers neither TLS nor NLA, and nothing else protects a password"
        case x224.FailureCode.NLA_REQUIRED | x224.FailureCode.TLS_REQUIRED:
            return "the target and proxyd agree on no protection"
    return f"the target refused the connection (code {code})"
