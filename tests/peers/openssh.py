"""Real OpenSSH: a server as target, with three ways to log on, and a recording bastion."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from peers.needed import answers, free_port, program, wait_until
from peers.userland import Account, Userland, stop

CONFIG: Final = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM yes
PasswordAuthentication yes
KbdInteractiveAuthentication yes
Subsystem sftp internal-sftp
MaxSessions 2000
MaxStartups 2000
LoginGraceTime 0
AllowTcpForwarding yes
AllowStreamLocalForwarding yes
AllowAgentForwarding yes
X11Forwarding yes
X11UseLocalhost yes
AcceptEnv *
PrintMotd no
PrintLastLog no
UseDNS no
Match User byword
  AuthenticationMethods password
Match User byanswer
  AuthenticationMethods keyboard-interactive
Match User bykey
  AuthenticationMethods publickey
"""

TLOG: Final = """\
#!/bin/sh
export LC_ALL=C.UTF-8 SHELL=/bin/bash
record="{tlog} --writer=file --file-path=$HOME/tlog.$$.json --log-input=on"
if [ "$1" = -c ]; then exec $record -- /bin/bash -c "$2"; else exec $record -- /bin/bash -l; fi
"""


@dataclass(frozen=True)
class OpenSSHServer:
    """An sshd and the accounts on it."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    user_key: Path
    host_key: str
    """`ssh-ed25519 AAAA…`"""
    accounts: dict[str, Account]

    def home(self, account: str = "target") -> Path:
        return self.accounts[account].home


def make_key(path: Path, passphrase: str = "") -> Path:
    keygen = program("ssh-keygen")
    subprocess.run([keygen, "-qt", "ed25519", "-N", passphrase, "-f", path], check=True)
    return path


def public_half(path: Path) -> str:
    return " ".join(path.with_name(path.name + ".pub").read_text().split()[:2])


def start_openssh(userland: Userland, accounts: dict[str, Account]) -> OpenSSHServer:
    """Start an sshd in `userland`; stop `process` when done."""
    folder, port = userland.folder, free_port()
    host_key, user_key = make_key(folder / "host_key"), make_key(folder / "user_key")
    (folder / "sshd_config").write_text(CONFIG.format(port=port, folder=folder))
    Path("/run/sshd").mkdir(exist_ok=True)
    log = folder / "sshd.log"
    process = userland.spawn([program("sshd"), "-D", "-e", "-f", folder / "sshd_config"], log)
    try:
        wait_until(lambda: process.poll() is not None or answers(port), "sshd does not listen")
        assert process.poll() is None, log.read_text()
    except BaseException:
        stop(process)
        raise
    return OpenSSHServer(folder, port, process, user_key, public_half(host_key), accounts)


def target_userland() -> tuple[Userland, dict[str, Account]]:
    """Everybody the tests log on as. `neighbour` is who `su` becomes."""
    userland = Userland()
    names = ("target", "byword", "byanswer", "bykey", "neighbour")
    accounts = {name: userland.add(name, f"{name}-Tr0ub4dor-3") for name in names}
    return userland, accounts


def add_bastion(userland: Userland) -> Account:
    """An account whose login shell records with tlog, as a recording bastion is made."""
    userland.keep_login_records()
    shell = userland.folder / "tlog-shell"
    shell.write_text(TLOG.format(tlog=program("tlog-rec")))
    shell.chmod(0o755)
    return userland.add("bastion", "bastion-Tr0ub4dor-3", str(shell))


@pytest.fixture(scope="session")
def openssh_server() -> Iterator[OpenSSHServer]:
    userland, accounts = target_userland()
    server = start_openssh(userland, accounts)
    yield server
    stop(server.process)
    userland.remove()


@pytest.fixture
def there(openssh_server: OpenSSHServer, tmp_path: Path) -> Path:
    """A folder on the target that the target's user may write to."""
    folder = openssh_server.home() / tmp_path.name
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    return folder
