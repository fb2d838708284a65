"""Records the labelled corpus for masking: real programs, driven through a real terminal.

Run as root on a machine to throw away: `python tests/data/masking/make.py [SCENE…]`.
It needs bash zsh dash sudo passwd su openssh gpg pinentry-curses vim tmux less top psql
and python3, makes the user `masker` for the time it runs, and writes one JSON file a scene.
"""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).parent
USER = "masker"
PASSWORD = "vQ7rm_Xw2kz"
"""Of the user, who exists while this runs only."""
KEY_S = 0.05
QUIET_S = 0.25


class Terminal:
    """A program on a terminal, and a record of what went in and came out."""

    def __init__(self, argv: list[str], folder: Path, environment: dict[str, str]) -> None:
        self.events: list[list[object]] = []
        self.lines: list[str] = []
        self.secrets: list[str] = []
        self._began_s = time.monotonic()
        self._shown = b""
        self._child, self._terminal = pty.fork()
        if not self._child:
            # As a login would: pinentry opens the terminal again, as the user.
            shutil.chown(os.ttyname(0), USER)
            os.chdir(folder)
            os.execvpe(argv[0], argv, environment)  # noqa: S606
        size = struct.pack("HHHH", 24, 80, 0, 0)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, size)

    def expect(self, pattern: str, within_s: float = 8) -> None:
        """Read until `pattern` is shown and the program is quiet."""
        until_s = time.monotonic() + within_s
        while not re.search(pattern.encode(), self._shown):
            if time.monotonic() > until_s or not self._read(0.1):
                sys.exit(f"no {pattern!r} in {self._shown[-400:]!r}")
        self.rest()

    def rest(self, quiet_s: float = QUIET_S, at_most_s: float = 3) -> None:
        """Read until nothing comes any more."""
        until_s = time.monotonic() + at_most_s
        while time.monotonic() < until_s and self._ready(quiet_s):
            if not self._read(0):
                return

    def keys(self, text: str, key_s: float = KEY_S) -> None:
        """Type keys without a label."""
        for key in re.findall(r"\x1b(?:\[[0-9;]*[A-Za-z~]|O.|.)|.", text, re.DOTALL):
            self.burst(key)
            until_s = time.monotonic() + key_s
            while (left_s := until_s - time.monotonic()) > 0:
                if self._ready(left_s):
                    self._read(0)

    def burst(self, text: str) -> None:
        """Send all of `text` at once."""
        raw = text.encode()
        self._note("i", raw)
        self._shown = b""
        while raw:
            raw = raw[os.write(self._terminal, raw[:1024]) :]
            while self._ready(0):
                self._read(0)

    def line(self, text: str, expect: str | None = None) -> None:
        """Type an ordinary line, which a recording must hold."""
        self.lines.append(text)
        self.keys(text)
        self.burst("\r")
        self.expect(expect) if expect else self.rest()

    def secret(self, text: str, expect: str | None = None) -> None:
        """Type a line that no recording may hold."""
        self.secrets.append(text)
        self.keys(text)
        self.burst("\r")
        self.expect(expect) if expect else self.rest()

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGHUP)
        time.sleep(0.3)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)
        os.close(self._terminal)

    def _ready(self, within_s: float) -> bool:
        return bool(select.select([self._terminal], [], [], within_s)[0])

    def _read(self, within_s: float) -> bool:
        if within_s and not self._ready(within_s):
            return True
        try:
            data = os.read(self._terminal, 32768)
        except OSError:
            return False
        self._note("o", data)
        self._shown += data
        return bool(data)

    def _note(self, way: str, data: bytes) -> None:
        at_ms = int((time.monotonic() - self._began_s) * 1000)
        self.events.append([at_ms, way, data.decode("latin-1")])


class Stage:
    """Where scenes play: a folder, a user, a loopback sshd."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.environment = {
            "HOME": str(folder),
            "PATH": f"{folder}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "PS1": "user@db1:~$ ",
            "GNUPGHOME": str(folder / "gnupg"),
            "USER": USER,
        }
        self.played: list[Terminal] = []

    def open(self, *argv: str, **environment: str) -> Terminal:
        """Start a program as the user."""
        uid = ["setpriv", "--reuid", USER, "--regid", USER, "--init-groups", "--"]
        terminal = Terminal([*uid, *argv], self.folder, {**self.environment, **environment})
        self.played.append(terminal)
        return terminal

    def bash(self, **environment: str) -> Terminal:
        terminal = self.open("bash", "--norc", "--noprofile", **environment)
        terminal.expect(r"\$ ")
        return terminal


PROMPT = r"\$ (\x1b\[\?2004h)?$"


def bash(stage: Stage) -> None:
    shell = stage.bash()
    for command in (
        "ls -la /etc/hosts",
        "cd /tmp",
        "pwd",
        "echo 'grüße, 世界'",
        "id; uname -a",
    ):
        shell.line(command, PROMPT)
    shell.keys("\x1b[A\x1b[A\x1b[A")
    shell.burst("\r")
    shell.rest()
    shell.keys("\x1b[A\x1b[A\x1b[A\x1b[B")
    shell.line(" /etc/hostname", PROMPT)
    shell.keys("cat /etc/hostn\t")
    shell.lines.append("cat /etc/hostn\t")
    shell.burst("\r")
    shell.rest()
    shell.keys("\x12unam")
    shell.lines.append("\x12unam")
    shell.burst("\r")
    shell.rest()
    shell.keys("ecko hello\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x7fh")
    shell.burst("\r")
    shell.rest()
    shell.keys("echo abandoned")
    shell.lines.append("echo abandoned")
    shell.burst("\x03")
    shell.rest()
    shell.keys("echo wrong\x15")
    shell.line("echo right", PROMPT)
    shell.line("echo " + "long words that wrap around the edge of the screen " * 3, PROMPT)
    shell.line("touch one two; rm -i one", r"remove")
    shell.line("y", PROMPT)
    shell.line("sleep 1; echo done", None)
    shell.line("echo typed ahead", r"ahead\r\n.*" + PROMPT)
    shell.line("echo $((6 * 7)) | grep -c 42", PROMPT)
    shell.line("exit")


def reads(stage: Stage) -> None:
    shell = stage.bash()
    shell.line("read -s -p 'Secret thing> ' x; echo", "thing> ")
    shell.secret("kT9_bvdw", PROMPT)
    shell.line("read -s x", None)
    shell.secret("mXq4zzpw0", PROMPT)
    shell.line("read -s -n 6 -p 'PIN: ' x; echo", "PIN: ")
    shell.secrets.append("804915")
    shell.keys("804915")
    shell.rest()
    shell.line("echo after the pin", PROMPT)
    shell.line("read -s -p 'Password: ' x; echo", "Password: ")
    shell.secrets.append("wroXgq")
    shell.keys("wroXgq" + "\x7f" * 6)
    shell.secret("fJ3kq8vv", PROMPT)
    shell.line("read -s -p 'Verification code: ' x; echo", "code: ")
    shell.secret("771204", PROMPT)
    shell.line("read -p 'Enter the code of your country: ' x", "country: ")
    shell.line("Deutschland", PROMPT)
    shell.line("stty -echo", None)
    shell.line("stty echo", None)
    shell.line("cat > notes <<END", "> ")
    shell.line("a line of notes", "> ")
    shell.line("END", PROMPT)
    shell.line("read -s -p 'Password: ' x; echo", "Password: ")
    shell.secrets.append("gQ5_zwxkp")
    shell.keys("gQ5_zwxkp")
    shell.burst("\x03")
    shell.rest()
    shell.line("echo after abort", PROMPT)


def su(stage: Stage) -> None:
    shell = stage.bash()
    shell.line(f"su {USER} -c 'echo switched'", "assword: ")
    shell.secret(PASSWORD, "switched")
    shell.rest()
    shell.line(f"su {USER}", "assword: ")
    shell.secret("nOt_thiz1", "failure")
    shell.rest(1.0)
    shell.line(f"su {USER}", "assword: ")
    shell.secret(PASSWORD, r"\$ ")
    shell.line("whoami", r"\$ ")
    shell.line("exit", PROMPT)


def sudo(stage: Stage) -> None:
    shell = stage.bash()
    shell.line("sudo id", "password for")
    shell.secret("nOt_thiz2", "try again")
    shell.rest(0.5)
    shell.secret(PASSWORD, "uid=0")
    shell.rest()
    shell.line("sudo ls /root", PROMPT)
    shell.line("sudo -k -p 'Hand over the passphrase of %u: ' whoami", "passphrase")
    shell.secret(PASSWORD, "root")
    shell.rest()
    shell.line("sudo -k -S id", None)
    shell.secret(PASSWORD, "uid=0")
    shell.rest()
    Path("/etc/sudoers.d/masker-stars").write_text(f"Defaults:{USER} pwfeedback\n")
    shell.line("sudo -k date", "password for")
    shell.secret(PASSWORD, r"20\d\d")
    shell.rest()
    Path("/etc/sudoers.d/masker-stars").unlink()
    shell.line("sudo -k -i", "password for")
    shell.secret(PASSWORD, r"# ")
    shell.line("cat /etc/hostname", r"# ")
    shell.line("exit", PROMPT)


def passwd(stage: Stage) -> None:
    shell = stage.bash()
    shell.line("passwd", "urrent password: ")
    shell.secret(PASSWORD, "ew password: ")
    shell.secret("Zk4_pfqwx8", "ew password: ")
    shell.secret("Zk4_pfqwx8", r"\$ ")
    shell.line("echo changed", PROMPT)
    subprocess.run(["chpasswd"], input=f"{USER}:{PASSWORD}\n".encode(), check=True)


def ssh(stage: Stage) -> None:
    shell = stage.bash()
    options = "-o UserKnownHostsFile=known -o PubkeyAuthentication=no"
    shell.line(f"ssh {options} -p {stage.port} {USER}@127.0.0.1", "yes/no")
    shell.line("yes", "assword: ")
    shell.secret("nOt_thiz3", "assword: ")
    shell.secret(PASSWORD, r"\$ ")
    shell.line("hostname", r"\$ ")
    shell.line("echo on the far side", r"\$ ")
    shell.line("exit", PROMPT)
    shell.line(f"scp {options} -P {stage.port} notes.txt {USER}@127.0.0.1:copy", "assword: ")
    shell.secret(PASSWORD, PROMPT)
    shell.line("ssh-keygen -q -t ed25519 -f key", "passphrase")
    shell.secret("pHr4_se_jj", "again")
    shell.secret("pHr4_se_jj", PROMPT)


def databases(stage: Stage) -> None:
    shell = stage.bash()
    shell.line("mysql -u root -p", "Enter password: ")
    shell.secret("mY5ql_wkz", "mysql> ")
    shell.line("select user, host from mysql.user;", "mysql> ")
    shell.line("quit", PROMPT)
    shell.line("psql -W -h 127.0.0.1 -p 1 -U postgres", "Password: ")
    shell.secret("p5qL_vvxw", "refused")
    shell.rest()
    shell.line("python3 -c 'import getpass; getpass.getpass()'", "Password: ")
    shell.secret("gT8_qqrm", PROMPT)
    shell.line("python3 -c 'import getpass; getpass.getpass(\"Hush: \")'", "Hush: ")
    shell.secret("gT8_zzvk", PROMPT)


def gpg(stage: Stage) -> None:
    shell = stage.bash()
    shell.line("gpg --pinentry-mode loopback --symmetric -o one.gpg notes.txt", "assphrase")
    shell.secret("gPg_qw7xk", r"\$ |assphrase")
    shell.rest(0.5)
    shell.line("gpg --pinentry-mode loopback -d one.gpg", "assphrase|user@")
    if b"user@" not in shell._shown:
        shell.secret("gPg_qw7xk", PROMPT)
    shell.line("export GPG_TTY=$(tty)", PROMPT)
    shell.line("gpgconf --kill gpg-agent", PROMPT)
    shell.line("gpg --symmetric -o two.gpg notes.txt", "assphrase")
    shell.rest(0.6)
    shell.secret("cUr_zx9vq", None)
    shell.rest(0.8)
    shell.secret("cUr_zx9vq", None)
    shell.rest(0.8)
    shell.line("echo sealed", None)


def vi_mode(stage: Stage) -> None:
    shell = stage.bash()
    shell.line("set -o vi", PROMPT)
    shell.line("echo in vi mode", PROMPT)
    shell.keys("\x1bk", 0.2)
    shell.burst("\r")
    shell.rest()
    shell.keys("echo some word here\x1b", 0.1)
    shell.keys("bcwother")
    shell.burst("\r")
    shell.rest()
    shell.line("ls /", PROMPT)


def zsh(stage: Stage) -> None:
    shell = stage.open("zsh", "-f", PS1="user@db1 %% ")
    shell.expect("% ")
    for command in (
        "ls -la /etc/hosts",
        "cd /tmp",
        "echo 'a quoted * string'",
        "print -l a b c",
    ):
        shell.line(command, "% ")
    shell.keys("\x1b[A\x1b[A")
    shell.burst("\r")
    shell.rest()
    shell.keys("cat /etc/hostn\t")
    shell.lines.append("cat /etc/hostn\t")
    shell.burst("\r")
    shell.rest()
    shell.keys("\x12print")
    shell.lines.append("\x12print")
    shell.burst("\r")
    shell.rest()
    shell.line("read -s 'x?Token: '", "Token: ")
    shell.secret("tK_88qwzm", "% ")
    shell.line(f"su {USER} -c true", "assword: ")
    shell.secret(PASSWORD, "% ")
    shell.line("sleep 1", None)
    shell.line("echo ahead in zsh", "ahead")
    shell.rest()
    shell.line("exit")


def dash(stage: Stage) -> None:
    shell = stage.open("dash")
    shell.expect(r"\$ ")
    for command in ("ls /etc/hosts", "pwd", "x=1; echo $x", "cat"):
        shell.line(command)
    shell.line("a line for cat")
    shell.burst("\x04")
    shell.rest()
    shell.line("stty -echo; head -n 1 >/dev/null; stty echo", None)
    shell.secret("dA5h_kkvw")
    shell.line("echo over", "over")


def python(stage: Stage) -> None:
    shell = stage.open("python3", "-q")
    shell.expect(">>> ")
    for statement in ("1 + 1", "import os, getpass", "'ab' * 3", "print('é')"):
        shell.line(statement, ">>> ")
    shell.line("def double(x):", r"\.\.\. ")
    shell.line("    return 2 * x", r"\.\.\. ")
    shell.burst("\r")
    shell.rest()
    shell.line("getpass.getpass()", "Password: ")
    shell.secret("pY_33wqzk", ">>> ")
    shell.line("input('your name: ')", "name: ")
    shell.line("Ada", ">>> ")
    shell.line("exit()")


def full_screen(stage: Stage) -> None:
    shell = stage.bash()
    shell.line("vim -u NONE notes.txt", None)
    shell.keys("jjGoa new line of text\x1b")
    shell.keys("ggdd")
    shell.line(":wq", PROMPT)
    shell.line("less /etc/services", None)
    shell.keys("jjjj \x1b[B\x1b[B/ssh\rnnq")
    shell.rest()
    shell.line("ls -l notes.txt", PROMPT)
    shell.line("less -X -F -R /etc/services", None)
    shell.keys("jjjj  jjkkq")
    shell.rest()
    shell.line("git --version; date", PROMPT)
    shell.line(f"top -u {USER} -d 0.4", None)
    shell.rest(0.1, 1.5)
    shell.keys("1", 1.0)
    shell.keys("q")
    shell.rest()
    shell.line(f"top -u {USER} -d 0.5 -n 2", PROMPT)
    shell.line("ls -l /tmp/../etc/hosts", PROMPT)


def tmux(stage: Stage) -> None:
    shell = stage.bash()
    shell.line("tmux -f /dev/null -S tmux.socket", None)
    shell.rest(0.8)
    shell.line("ls /etc/hosts", None)
    shell.line("sudo -k id", "password for")
    shell.secret(PASSWORD, "uid=0")
    shell.rest()
    shell.line("echo inside tmux", None)
    shell.line(f"su {USER} -c 'echo switched'", "assword")
    shell.secret(PASSWORD, None)
    shell.line("exit", None)
    shell.line("echo outside", PROMPT)


def paste(stage: Stage) -> None:
    shell = stage.bash()
    text = "".join(f"the line number {number} of a pasted text\r" for number in range(60))
    shell.lines += ["cat > pasted", *text.split("\r")[:-1]]
    shell.keys("cat > pasted")
    shell.burst("\r")
    shell.rest()
    shell.burst(text)
    shell.rest()
    shell.burst("\x04")
    shell.rest()
    commands = ["cd /tmp", "ls -d /etc", "echo pasted command", "wc -l < /etc/hosts"]
    shell.lines += commands
    shell.burst("\r".join(commands) + "\r")
    shell.rest(0.8)
    bracketed = "\x1b[200~echo one; echo two\x1b[201~"
    shell.lines.append("echo one; echo two")
    shell.burst(bracketed)
    shell.rest()
    shell.burst("\r")
    shell.rest()
    shell.line("read -s -p 'Password: ' x; echo", "Password: ")
    shell.secrets.append("pAs7ed_wq")
    shell.burst("pAs7ed_wq\r")
    shell.rest()
    shell.line("echo the end", PROMPT)


SCENES: dict[str, Callable[[Stage], None]] = {
    scene.__name__: scene
    for scene in (
        *(bash, reads, su, sudo, passwd, ssh, databases, gpg, vi_mode),
        *(zsh, dash, python, full_screen, tmux, paste),
    )
}

FAKE_MYSQL = """\
#!/usr/bin/python3
import getpass
getpass.getpass("Enter password: ")
while input("mysql> ") != "quit":
    print("Empty set (0.00 sec)")
"""

SSHD_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication yes
KbdInteractiveAuthentication no
PrintMotd no
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """Make the user, a folder of his and a loopback sshd, and take all of it away again."""
    folder, port = Path(tempfile.mkdtemp(prefix="masking-")), free_port()
    etc = folder / "etc"
    (folder / "bin").mkdir()
    (folder / "gnupg").mkdir(mode=0o700)
    etc.mkdir()
    (folder / "notes.txt").write_text("one\ntwo\nthree\n")
    (folder / "bin/mysql").write_text(FAKE_MYSQL)
    (folder / "bin/mysql").chmod(0o755)
    subprocess.run(["useradd", "-d", folder, "-s", "/bin/bash", USER], check=True)
    subprocess.run(["chpasswd"], input=f"{USER}:{PASSWORD}\n".encode(), check=True)
    subprocess.run(["chown", "-R", f"{USER}:", folder], check=True)
    sudoers = Path("/etc/sudoers.d/masker")
    sudoers.write_text(f"{USER} ALL=(ALL) ALL\n")
    subprocess.run(
        ["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", etc / "host_key"], check=True
    )
    (etc / "sshd_config").write_text(SSHD_CONFIG.format(port=port, folder=etc))
    Path("/run/sshd").mkdir(exist_ok=True)
    sshd = subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", etc / "sshd_config"])
    place = Stage(folder, port)
    try:
        yield place
    finally:
        for terminal in place.played:
            terminal.close()
        sshd.terminate()
        sshd.wait(10)
        sudoers.unlink()
        # An agent of his may still run.
        left = subprocess.run(["pgrep", "-u", USER], capture_output=True, check=False)
        for process in left.stdout.split():
            os.kill(int(process), signal.SIGKILL)
        time.sleep(0.5)
        subprocess.run(["userdel", "-f", USER], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def main(names: list[str]) -> None:
    with stage() as place:
        for name in names or list(SCENES):
            SCENES[name](place)
            terminal = place.played.pop()
            terminal.close()
            scene = {
                "secrets": terminal.secrets,
                "lines": terminal.lines,
                "events": terminal.events,
            }
            (HERE / f"{name}.json").write_text(json.dumps(scene, indent=None) + "\n")
            print(name, len(terminal.events), "events")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
