"""Signed `.rdp` files, as another program checks them."""

import base64
import subprocess
from pathlib import Path

import pytest
from peers.certificates import Authority, Signed
from peers.needed import program

from config.errors import ConfigError
from control.rdp_signature import RDPSigner

LENT = [
    *("redirectclipboard:i:1", "redirectdrives:i:1", "drivestoredirect:s:*"),
    *("redirectprinters:i:0", "audiomode:i:2"),
]
LINES = ["full address:s:gate:3390", "username:s:4nwfvf2nzjs8a", *LENT]


@pytest.fixture
def signed(tmp_path: Path) -> Signed:
    made = Authority(tmp_path, "publisher").sign("signing")
    made.key.chmod(0o600)
    return made


def is_signed(lines: list[str], certificate: Path, folder: Path) -> bool:
    """Say whether openssl takes the signature, over what the lines say is signed."""
    by_name = {line.partition(":")[0].lower(): line for line in lines}
    packed = base64.b64decode(by_name["signature"].partition(":s:")[2].replace(" ", ""))
    assert packed[:8] == bytes.fromhex("0100010001000000")
    assert int.from_bytes(packed[8:12], "little") == len(packed) - 12
    scope = by_name["signscope"].partition(":s:")[2].split(",")
    content = "".join(f"{by_name[name.lower()]}\r\n" for name in [*scope, "signscope"])
    (folder / "signature").write_bytes(packed[12:])
    (folder / "content").write_bytes((content + "\0").encode("utf-16-le"))
    words = [program("openssl"), "smime", "-verify", "-inform", "DER", "-noverify", "-binary"]
    words += ["-in", str(folder / "signature"), "-content", str(folder / "content")]
    words += ["-certfile", str(certificate), "-out", "/dev/null"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def test_a_changed_address_makes_the_signature_void(signed: Signed, tmp_path: Path) -> None:
    signer = RDPSigner.load(signed.certificate, signed.key)
    assert signer is not None
    lines = signer.signed(LINES)
    assert lines[: len(LINES)] == LINES
    assert "alternate full address:s:gate:3390" in lines
    assert is_signed(lines, signed.certificate, tmp_path)
    elsewhere = [line.replace("gate:", "evil:") for line in lines]
    assert not is_signed(elsewhere, signed.certificate, tmp_path)


@pytest.mark.parametrize("lent", LENT)
def test_lending_more_or_less_makes_the_signature_void(
    signed: Signed, tmp_path: Path, lent: str
) -> None:
    signer = RDPSigner.load(signed.certificate, signed.key)
    assert signer is not None
    lines = signer.signed(LINES)
    changed = [line[:-1] + "9" if line == lent else line for line in lines]
    assert not is_signed(changed, signed.certificate, tmp_path)


def test_who_names_no_key_signs_nothing(tmp_path: Path) -> None:
    assert RDPSigner.load(None, None) is None
    assert RDPSigner.load(None, None, tmp_path) is None


def test_systemd_may_keep_the_key(signed: Signed, tmp_path: Path) -> None:
    kept = tmp_path / "credentials"
    kept.mkdir()
    signed.key.rename(kept / "rdp-signing-key")
    signer = RDPSigner.load(signed.certificate, None, kept)
    assert signer is not None
    assert is_signed(signer.signed(LINES), signed.certificate, tmp_path)


def test_a_key_that_cannot_sign_is_told_before_anything_is_issued(
    signed: Signed, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="both or none"):
        RDPSigner.load(signed.certificate, None)
    other = Authority(tmp_path, "other").sign("other")
    other.key.chmod(0o600)
    with pytest.raises(ConfigError, match="not the key of the certificate"):
        RDPSigner.load(signed.certificate, other.key)
    other.key.write_text("no key")
    with pytest.raises(ConfigError, match="cannot sign"):
        RDPSigner.load(signed.certificate, other.key)
    other.key.chmod(0o644)
    with pytest.raises(ConfigError, match="open to others"):
        RDPSigner.load(signed.certificate, other.key)
