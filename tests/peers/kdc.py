"""A real Kerberos realm: MIT's KDC on a port of its own, with a user and an RDP target."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from peers.needed import environment, free_port, program, wait_until

REALM = "CORP.EXAMPLE.ORG"
HOST = "desk.corp.example.org"
USER, PASSWORD = "administrator", "Real-S3cret-öß"
CLIENT_CONFIG = """\
[libdefaults]
default_realm = {realm}
dns_lookup_kdc = false
dns_lookup_realm = false
dns_canonicalize_hostname = false
rdns = false
default_ccache_name = MEMORY:
[realms]
{realm} = {{
    kdc = 127.0.0.1:{port}
}}
[domain_realm]
.corp.example.org = {realm}
localhost = {realm}
"""
KDC_CONFIG = """\
[kdcdefaults]
kdc_listen = 127.0.0.1:{port}
kdc_tcp_listen = 127.0.0.1:{port}
[realms]
{realm} = {{
    database_name = {folder}/principals
    key_stash_file = {folder}/stash
    acl_file = {folder}/acl
    max_life = 10h
    supported_enctypes = aes256-cts:normal aes128-cts:normal
}}
[logging]
kdc = FILE:{folder}/kdc.log
"""


@dataclass(frozen=True)
class Realm:
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def config(self) -> Path:
        return self.folder / "krb5.conf"

    @property
    def keytab(self) -> Path:
        """The keys of `TERMSRV/desk.corp.example.org` and `TERMSRV/localhost`, and no other."""
        return self.folder / "target.keytab"

    @property
    def log(self) -> str:
        return (self.folder / "kdc.log").read_text()


def start_realm() -> Realm:
    folder, port = Path(tempfile.mkdtemp(prefix="proxyd-kdc-")), free_port()
    (folder / "krb5.conf").write_text(CLIENT_CONFIG.format(realm=REALM, port=port))
    (folder / "kdc.conf").write_text(KDC_CONFIG.format(realm=REALM, port=port, folder=folder))
    around = environment(
        KRB5_CONFIG=str(folder / "krb5.conf"), KRB5_KDC_PROFILE=str(folder / "kdc.conf")
    )

    def run(name: str, *words: str) -> None:
        command = [program(name), *words]
        subprocess.run(command, check=True, env=around, capture_output=True, timeout=60)

    run("kdb5_util", "-r", REALM, "-P", "master", "create", "-s")
    for query in (
        f"addprinc -pw {PASSWORD} {USER}",
        f"addprinc -randkey TERMSRV/{HOST}",
        "addprinc -randkey TERMSRV/localhost",
        "addprinc -randkey HOST/other.corp.example.org",
        f"ktadd -k {folder / 'target.keytab'} TERMSRV/{HOST} TERMSRV/localhost",
    ):
        run("kadmin.local", "-r", REALM, "-q", query)
    process = subprocess.Popen(
        [program("krb5kdc"), "-n", "-r", REALM], env=around, stderr=subprocess.DEVNULL
    )
    realm = Realm(folder, process)
    wait_until(
        lambda: (folder / "kdc.log").exists() and "commencing" in realm.log, "no KDC started"
    )
    return realm


@pytest.fixture(scope="module")
def realm() -> Iterator[Realm]:
    made = start_realm()
    before = {name: os.environ.get(name) for name in ("KRB5_CONFIG", "KRB5_KTNAME")}
    os.environ["KRB5_CONFIG"] = str(made.config)
    os.environ["KRB5_KTNAME"] = f"FILE:{made.keytab}"
    yield made
    for name, value in before.items():
        if value is None:
            os.environ.pop(name)
        else:
            os.environ[name] = value
    made.process.kill()
    made.process.wait(10)
    shutil.rmtree(made.folder, ignore_errors=True)
