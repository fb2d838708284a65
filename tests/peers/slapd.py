"""Real OpenLDAP: a directory with people in it, reached by TLS alone."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from peers.certificates import Authority
from peers.needed import answers, free_port, program, wait_until

BASE = "dc=example,dc=org"
CONFIG = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
security simple_bind=128
database mdb
suffix "{base}"
directory {folder}/data
"""
PEOPLE = """\
dn: {base}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=people,{base}
objectClass: organizationalUnit
ou: people

"""
PERSON = """\
dn: uid={name},ou=people,{base}
objectClass: inetOrgPerson
uid: {name}
cn: {name}
sn: {name}
userPassword: {password}

"""


@dataclass(frozen=True)
class Directory:
    folder: Path
    port: int
    secure_port: int
    authority: Authority
    process: subprocess.Popen[bytes]

    @property
    def user_dn(self) -> str:
        return "uid={name},ou=people," + BASE


def start_directory(people: dict[str, str]) -> Directory:
    folder = Path(tempfile.mkdtemp(prefix="proxyd-slapd-"))
    (folder / "data").mkdir()
    authority = Authority(folder)
    signed = authority.sign("slapd")
    config, entries = folder / "slapd.conf", folder / "people.ldif"
    config.write_text(
        CONFIG.format(certificate=signed.certificate, key=signed.key, base=BASE, folder=folder)
    )
    persons = [
        PERSON.format(name=name, password=password, base=BASE)
        for name, password in people.items()
    ]
    entries.write_text(PEOPLE.format(base=BASE) + "".join(persons))
    subprocess.run(
        [program("slapadd"), "-f", str(config), "-l", str(entries)],
        check=True,
        capture_output=True,
        timeout=30,
    )
    port, secure_port = free_port(), free_port()
    urls = f"ldap://127.0.0.1:{port} ldaps://127.0.0.1:{secure_port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program("slapd"), "-d", "0", "-f", str(config), "-h", urls], stderr=log
        )
    wait_until(lambda: process.poll() is not None or answers(secure_port), "slapd is silent")
    assert process.poll() is None, (folder / "log").read_text()
    return Directory(folder, port, secure_port, authority, process)


@pytest.fixture(scope="module")
def directory() -> Iterator[Directory]:
    """One with lena and with otto, of whom proxyd may know nothing."""
    made = start_directory({"lena": "a sentence of lena", "otto": "a sentence of otto"})
    yield made
    made.process.kill()
    made.process.wait(10)
    shutil.rmtree(made.folder, ignore_errors=True)
