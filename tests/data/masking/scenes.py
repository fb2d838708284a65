"""What is typed in each scene: what a recording must hold of it, and what it may not."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from stage import PASSWORD, USER, Stage

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
