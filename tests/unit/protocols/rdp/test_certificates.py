import datetime as dt
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from bus.contract import HostKeyPolicy
from protocols.errors import RemoteProtocolError, TargetUnreachableError
from protocols.rdp.certificates import TargetCertificates, fingerprint, subject_public_key

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def certificate(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "target")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(7)
    builder = builder.not_valid_before(NOW).not_valid_after(NOW + dt.timedelta(days=1))
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


EC = ec.generate_private_key(ec.SECP256R1())
DER = certificate(EC)


def test_a_login_is_bound_to_pkcs1_of_rsa_and_to_the_point_of_ec():
    key = rsa.generate_private_key(65537, 2048)
    pkcs1 = key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    assert subject_public_key(certificate(key)) == pkcs1
    public = EC.public_key()
    point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert subject_public_key(DER) == point


def test_noise_is_no_certificate():
    with pytest.raises(RemoteProtocolError):
        subject_public_key(b"noise")


class Pins:
    def __init__(self, *held: str) -> None:
        self.held, self.offered = held, []

    async def pin(self, offered: str) -> tuple[str, ...]:
        self.offered.append(offered)
        return self.held or (offered,)


def known(policy: HostKeyPolicy, pins: Pins, *accepted: str) -> TargetCertificates:
    return TargetCertificates(policy, accepted, pins.pin, secret_name="web")


async def test_the_first_certificate_is_pinned_and_then_it_is_the_one():
    pins = Pins()
    certificates = known(HostKeyPolicy.TOFU, pins)
    await certificates.check(DER)
    await certificates.check(DER)
    assert pins.offered == [fingerprint(DER)]


async def test_another_session_may_have_pinned_another_one_meanwhile():
    with pytest.raises(TargetUnreachableError, match="No credential was sent"):
        await known(HostKeyPolicy.TOFU, Pins("ab" * 32)).check(DER)


@pytest.mark.parametrize("policy", [HostKeyPolicy.TOFU, HostKeyPolicy.GIVEN])
async def test_a_changed_certificate_is_refused_with_the_next_step(policy: HostKeyPolicy):
    with pytest.raises(TargetUnreachableError, match="secret edit web"):
        await known(policy, Pins(), "ab" * 32).check(DER)


async def test_a_given_one_passes_and_any_passes():
    await known(HostKeyPolicy.GIVEN, Pins(), fingerprint(DER)).check(DER)
    await known(HostKeyPolicy.ANY, Pins()).check(DER)


async def test_where_an_authority_judges_no_pin_does():
    certificates = known(HostKeyPolicy.CA, Pins())
    await certificates.check(DER)
    context = certificates.context(None)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_where_a_pin_judges_tls_takes_any():
    context = known(HostKeyPolicy.TOFU, Pins()).context(None)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


@pytest.mark.parametrize("policy", [HostKeyPolicy.TOFU, HostKeyPolicy.CA])
def test_old_tls_will_do_only_where_the_secret_says_so(policy: HostKeyPolicy):
    for old, least in ((False, ssl.TLSVersion.TLSv1_2), (True, ssl.TLSVersion.TLSv1)):
        certificates = TargetCertificates(policy, (), Pins(), secret_name="desk", old_tls=old)
        assert certificates.context(None).minimum_version is least


def test_an_authority_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(TargetUnreachableError, match="ca_file"):
        known(HostKeyPolicy.CA, Pins()).context(tmp_path / "none.pem")
