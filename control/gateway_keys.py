"""The gateway's host keys in the state directory. An engine needs them, and no database."""

from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from config.errors import ConfigError
from control.private_files import write_private

HOST_KEY_NAMES = ("ssh_host_ed25519_key", "ssh_host_rsa_key")
_RSA_BITS = 3072
_PROBE = b"proxyd"


def host_key_paths(state_dir: Path) -> tuple[Path, ...]:
    """Return where the gateway's host keys are, the preferred first."""
    return tuple(state_dir / name for name in HOST_KEY_NAMES)


def usable_host_keys(state_dir: Path) -> tuple[Path, ...]:
    """Return `host_key_paths`; raise `ConfigError` where one cannot be used as it is."""
    paths = host_key_paths(state_dir)
    for path in paths:
        try:
            is_open_to_others = path.stat().st_mode & 0o077
            _try_key(path.read_bytes())
        except FileNotFoundError as error:
            raise ConfigError(
                f"{path} is missing: run `proxyd init`, or restore it from a backup"
            ) from error
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be read: {error.strerror}; run as the user that owns it"
            ) from error
        except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature) as error:
            raise ConfigError(
                f"{path} holds no host key: restore it from a backup, or remove it and run "
                "`proxyd init`, which makes another one"
            ) from error
        if is_open_to_others:
            raise ConfigError(f"{path} is open to others: `chmod 600 {path}`")
    return paths


def _try_key(private: bytes) -> None:
    """Raise where it holds no key whose signature its public half confirms."""
    # Proving an RSA key's numbers takes a hundred times as long as using them.
    key = load_ssh_private_key(private, None, unsafe_skip_rsa_key_validation=True)
    if isinstance(key, RSAPrivateKey):
        signature = key.sign(_PROBE, padding.PKCS1v15(), SHA256())
        key.public_key().verify(signature, _PROBE, padding.PKCS1v15(), SHA256())


def public_halves(paths: Iterable[Path]) -> tuple[str, ...]:
    """Return what known_hosts calls each key, `ssh-ed25519 AAAA…`; they must be usable."""
    return tuple(
        load_ssh_private_key(path.read_bytes(), None, unsafe_skip_rsa_key_validation=True)
        .public_key()
        .public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        .decode("ascii")
        for path in paths
    )


def make_host_keys(state_dir: Path) -> list[str]:
    """Make those that are missing; return what was done, a line each."""
    told = []
    for path in host_key_paths(state_dir):
        if not path.exists():
            write_host_key(path)
            told.append(f"made the host key {path}")
    return told


def write_host_key(path: Path) -> None:
    """Make an SSH host key at `path`, in OpenSSH format, and its public half beside it."""
    key = (
        generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
        if "rsa" in path.name
        else Ed25519PrivateKey.generate()
    )
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    path.with_name(path.name + ".pub").write_bytes(public + b"\n")
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    write_private(path, private)
