"""Uses every C extension that the daemon brings, and tries to make memory executable.

Run by the package's own Python under the sandbox of the unit.
"""

import asyncio
import importlib
import mmap
import sys
from pathlib import Path

import argon2
import asyncssh
import avt
import bcrypt
import msgspec
import sqlalchemy
import uvloop
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def load_all() -> int:
    """Import every shared object in the environment."""
    [site] = [Path(entry) for entry in sys.path if entry.endswith("site-packages")]
    modules = [path.relative_to(site) for path in site.rglob("*.so")]
    for module in modules:
        name = ".".join([*module.parent.parts, module.name.split(".")[0]])
        importlib.import_module(name)
    return len(modules)


def use_all() -> None:
    """Have each do what the daemon has it do."""
    key = AESGCM(bytes(32))
    assert key.decrypt(bytes(12), key.encrypt(bytes(12), b"a", b""), b"") == b"a"
    signer = Ed25519PrivateKey.generate()
    signer.public_key().verify(signer.sign(b"a"), b"a")
    X25519PrivateKey.generate().exchange(X25519PrivateKey.generate().public_key())
    argon2.PasswordHasher(memory_cost=19_456).hash("a")
    bcrypt.hashpw(b"a", bcrypt.gensalt(4))
    asyncssh.generate_private_key("ssh-rsa").sign(b"a", b"rsa-sha2-256")
    assert msgspec.msgpack.decode(msgspec.msgpack.encode([1])) == [1]
    assert zstandard.decompress(zstandard.compress(b"a" * 999)) == b"a" * 999
    avt.Vt(80, 24).feed("a")
    uvloop.run(asyncio.sleep(0))
    with sqlalchemy.create_engine("sqlite://").connect() as database:
        assert database.scalar(sqlalchemy.text("select 1")) == 1


def try_executable_memory() -> str:
    """Say whether memory can be both written and run."""
    protection = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    try:
        mmap.mmap(-1, mmap.PAGESIZE, prot=protection).close()
    except PermissionError:
        return "refused"
    return "given"


if __name__ == "__main__":
    loaded = load_all()
    use_all()
    print(f"used {loaded} extensions")  # noqa: T201 - read in the journal
    print(f"memory that can become code: {try_executable_memory()}")  # noqa: T201
