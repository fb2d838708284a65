import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from bus.contract import HostKeyPolicy
from config.model import OnLoss
from control import access, secrets
from control.errors import ConflictError, InvalidError, NotFoundError
from control.requests import EditSecret
from recorder.session_info import TargetProtocol
from storage.tables import AccessRow

from .conftest import CANARY, web1

KEY = Ed25519PrivateKey.generate()
PASSPHRASE = "canary-passphrase"
PLAIN = KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
LOCKED = KEY.private_bytes(
    Encoding.PEM, PrivateFormat.OpenSSH, BestAvailableEncryption(PASSPHRASE.encode())
)
HOST_KEY = KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


@pytest.fixture
def add(database, vault, clock):
    def add(**terms):
        with database.transaction() as session:
            return secrets.add(session, vault, web1(**terms), clock.now())

    return add


@pytest.fixture
def edit(database, vault, clock):
    def edit(**changes):
        with database.transaction() as session:
            return secrets.edit(session, vault, EditSecret(name="web1", **changes), clock.now())

    return edit


@pytest.fixture
def credential(database, vault):
    def credential():
        with database.read() as session:
            return vault.open(secrets.find(session, "web1"))

    return credential


def test_what_is_shown_holds_no_credential(add):
    shown = add()
    assert (shown.credential, shown.username, shown.on_loss) == ("password", "root", None)
    assert CANARY not in repr(shown)


@pytest.mark.parametrize(
    ("key", "passphrase", "kind"),
    [
        (PLAIN, None, "key"),
        (PEM, None, "key"),
        (LOCKED, PASSPHRASE, "key with passphrase"),
    ],
)
def test_a_private_key_is_taken_as_it_is(add, credential, key, passphrase, kind):
    shown = add(password=None, private_key=key, passphrase=passphrase)
    assert shown.credential == kind
    assert (credential().private_key, credential().passphrase) == (key, passphrase)


@pytest.mark.parametrize(
    ("terms", "complaint"),
    [
        ({"password": None}, "a password or a private key"),
        ({"private_key": PLAIN}, "not both"),
        ({"passphrase": PASSPHRASE}, "belongs to a private key"),
        (
            {"password": None, "private_key": LOCKED},
            "give its passphrase with --passphrase-stdin",
        ),
        (
            {"password": None, "private_key": PLAIN, "passphrase": "x"},
            "leave the passphrase out",
        ),
        ({"password": None, "private_key": LOCKED, "passphrase": "x"}, "wrong passphrase"),
        ({"password": None, "private_key": b"canary"}, "give it in OpenSSH or PEM format"),
        ({"host": "web 1"}, "`web 1` is not a host name"),
        ({"host": ""}, "the host of secret `web1` is empty"),
        ({"username": "ro\not"}, "the user name of secret `web1` is empty or not printable"),
        ({"channels": ("shell", "tun")}, "there is no channel `tun`: shell, exec"),
        ({"host_key_policy": HostKeyPolicy.GIVEN}, "use --host-key, or --host-key-tofu"),
        ({"host_keys": ("ssh-ed25519 AAAA",)}, "the way `ssh-keyscan` prints it"),
        ({"host_keys": (f"ssh-rsa {HOST_KEY.split()[1]}",)}, "the way `ssh-keyscan` prints it"),
        (
            {"protocol": TargetProtocol.RDP, "host_keys": ("ab:cd",)},
            "the SHA-256 of the certificate: 64 hex digits",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_secret_is_repeated(add, terms, complaint):
    with pytest.raises(InvalidError, match=complaint) as refused:
        add(**terms)
    for hidden in (CANARY, PASSPHRASE, "canary"):
        assert hidden not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_name_is_taken_once(add):
    add()
    with pytest.raises(ConflictError, match="`proxyd secret edit web1` changes it"):
        add()


def test_host_keys_lose_their_comments(add):
    shown = add(host_key_policy=HostKeyPolicy.GIVEN, host_keys=(f" {HOST_KEY} root@web1\n",))
    assert shown.host_keys == (HOST_KEY,)


def test_a_fingerprint_may_have_colons(add):
    fingerprint = ":".join(["AB"] * 32)
    shown = add(protocol=TargetProtocol.RDP, host_keys=(fingerprint,))
    assert shown.host_keys == ("ab" * 32,)


def test_an_edit_changes_what_it_names_and_nothing_else(add, edit, credential):
    before = add()
    after = edit(
        on_loss=OnLoss.SPOOL, channels=("shell", "subsystem:netconf"), mask_typed=False
    )
    assert (after.on_loss, after.mask_typed) == (OnLoss.SPOOL, False)
    assert after.channels == ("shell", "subsystem:netconf")
    assert (after.host, after.port, after.credential) == (before.host, before.port, "password")
    assert credential().password == CANARY


def test_a_new_user_name_is_sealed_with_the_old_password(add, edit, credential):
    add()
    edit(username="admin", domain="EXAMPLE")
    assert (credential().username, credential().domain) == ("admin", "EXAMPLE")
    assert credential().password == CANARY


def test_a_key_takes_the_place_of_a_password_and_back(add, edit, credential):
    add()
    assert edit(private_key=LOCKED, passphrase=PASSPHRASE).credential == "key with passphrase"
    assert credential().password is None
    assert edit(password=CANARY).credential == "password"
    assert (credential().private_key, credential().passphrase) == (None, None)


@pytest.mark.parametrize(
    "change",
    [{"host": "web2.example.org"}, {"port": 2222}, {"host_key_policy": HostKeyPolicy.TOFU}],
)
def test_a_moved_target_is_trusted_anew(add, edit, change):
    add(host_keys=(HOST_KEY,))
    assert edit(username="admin").host_keys == (HOST_KEY,)
    assert edit(**change).host_keys == ()


def test_given_keys_stay_with_a_moved_target(add, edit):
    add(host_key_policy=HostKeyPolicy.GIVEN, host_keys=(HOST_KEY,))
    assert edit(port=2222).host_keys == (HOST_KEY,)


def test_a_failed_edit_changes_nothing(add, edit, database):
    before = add()
    with pytest.raises(InvalidError):
        edit(port=2222, channels=("tun",))
    with database.read() as session:
        assert secrets.list_all(session) == [before]


def test_removing_takes_the_access_along(issue, database):
    with database.transaction() as session:
        secrets.remove(session, "web1")
    with database.read() as session:
        assert (session.query(AccessRow).all(), access.list_all(session)) == ([], [])
        with pytest.raises(NotFoundError, match="no secret is named `web1`"):
            secrets.find(session, "web1")


def test_an_ipv6_target_is_written_in_brackets(add, database):
    add(host="2001:db8::1")
    with database.read() as session:
        assert secrets.address(secrets.find(session, "web1")) == "[2001:db8::1]:22"
