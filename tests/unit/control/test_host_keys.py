import pytest

from control.errors import InvalidError
from control.host_keys import canonical
from recorder.session_info import TargetProtocol

from .test_secrets import HOST_KEY


@pytest.mark.parametrize(
    "text", [HOST_KEY, f"  {HOST_KEY}  a comment\n"], ids=["bare", "commented"]
)
def test_a_key_is_its_type_and_its_blob(text):
    assert canonical(TargetProtocol.SSH, text) == HOST_KEY


@pytest.mark.parametrize(
    "text",
    ["", "web1", "ssh-ed25519", "ssh-ed25519 AAAA", f"web1 {HOST_KEY}", "é é"],
    ids=["nothing", "a name", "a type", "half a key", "a line of known_hosts", "no ASCII"],
)
def test_anything_else_is_no_key(text):
    with pytest.raises(InvalidError, match="given as `ssh-ed25519 AAAA…`"):
        canonical(TargetProtocol.SSH, text)


def test_a_fingerprint_is_64_hex_digits():
    assert canonical(TargetProtocol.RDP, ":".join(["Ab"] * 32)) == "ab" * 32
    with pytest.raises(InvalidError, match="64 hex digits"):
        canonical(TargetProtocol.RDP, "ab" * 20)
