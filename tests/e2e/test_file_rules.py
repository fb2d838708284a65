"""What a secret says about files holds for sftp, scp, rsync, psftp and pscp, and for `cat`."""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from peers.daemon import Daemon, MakeDaemon
from peers.login import Login
from peers.needed import program, wait_until
from peers.openssh import OpenSSHServer
from peers.output import Output, run
from peers.putty import Putty
from peers.terminal import OpenTerminal

pytestmark = pytest.mark.peers

BLOB = b"what crosses\n" * 20_000
Copy = Callable[[Path, str], Output]


@pytest.fixture(scope="module")
def home(openssh_server: OpenSSHServer) -> Path:
    """The target's folder: `open` is for everybody, `shut` is not."""
    home = openssh_server.home() / "files"
    for name in ("open", "shut"):
        (home / name).mkdir(parents=True)
        (home / name / "held").write_bytes(BLOB)
    (home / "open/held.key").write_bytes(BLOB)
    (home / "open/way-out").symlink_to(home / "shut")
    run(["chown", "-R", "61000:61000", str(home)])
    return home


@pytest.fixture(scope="module")
def daemon(make_daemon: MakeDaemon, openssh_server: OpenSSHServer, home: Path) -> Daemon:
    made = make_daemon(PROXYD_SSH__SOURCE_PENALTIES="false")
    for name, *rules in (
        ("fetch", ("no-uploads", "refuse", "--direction", "upload")),
        ("bring", ("no-downloads", "refuse", "--direction", "download")),
        ("open", ("folder", "allow", f"{home}/open/**"), ("keys", "refuse", "/**/*.key")),
    ):
        made.add_secret(name, openssh_server)
        for rule in rules:
            made.cli("secret", "file-rule", name, *rule)
    return made


@pytest.fixture(scope="module")
def logins(daemon: Daemon) -> dict[str, Login]:
    return {name: daemon.login(name) for name in ("fetch", "bring", "open")}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "blob").write_bytes(BLOB)
    return tmp_path


def sftp(login: Login, *commands: str, cwd: Path) -> Output:
    batch = "\n".join(commands).encode() + b"\n"
    return run(
        [*login.tool("sftp", "-o", "BatchMode=no"), "-b", "-", "proxy"],
        env=login.env,
        typed=batch,
        cwd=cwd,
    )


def copy(login: Login, tool: str, *words: str, cwd: Path) -> Output:
    """Copy with a tool of OpenSSH or PuTTY, or rsync; `proxy:` is the target."""
    if tool.startswith("pscp"):
        far = [word.replace("proxy:", "127.0.0.1:") for word in words]
        putty = Putty(login, FINGERPRINTS)
        return run(putty.argv("pscp", "-batch", *tool.split()[1:], *far), cwd=cwd)
    if tool == "rsync":
        shell = f"{program('ssh')} -F {login.config}"
        return run([program("rsync"), "-e", shell, *words], env=login.env, cwd=cwd)
    name, *options = tool.split()
    return run([*login.tool(name, *options), *words], env=login.env, cwd=cwd)


FINGERPRINTS: list[str] = []
TOOLS = ["scp", "scp -O", "pscp -scp", "pscp -sftp", "rsync"]


@pytest.fixture(autouse=True, scope="module")
def _fingerprints(daemon: Daemon) -> None:
    FINGERPRINTS[:] = daemon.fingerprints()


def names_in(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


@pytest.mark.parametrize("tool", TOOLS)
def test_where_uploads_are_refused_only_downloads_cross(
    logins: dict[str, Login], home: Path, here: Path, tool: str
):
    login, before = logins["fetch"], names_in(home / "open")
    down = copy(login, tool, f"proxy:{home}/open/held", "down", cwd=here)
    assert down.status == 0, down.said
    assert (here / "down").read_bytes() == BLOB
    up = copy(login, tool, "blob", f"proxy:{home}/open/up", cwd=here)
    assert up.status != 0
    assert "rule no-uploads of this secret forbids this upload" in up.said
    assert names_in(home / "open") == before


@pytest.mark.parametrize("tool", TOOLS)
def test_where_downloads_are_refused_only_uploads_cross(
    logins: dict[str, Login], home: Path, here: Path, tool: str
):
    login, up = logins["bring"], home / "open" / f"up{TOOLS.index(tool)}"
    done = copy(login, tool, "blob", f"proxy:{up}", cwd=here)
    assert done.status == 0, done.said
    assert up.read_bytes() == BLOB
    up.unlink()
    down = copy(login, tool, f"proxy:{home}/open/held", "down", cwd=here)
    assert down.status != 0
    assert "rule no-downloads of this secret forbids this download" in down.said
    assert not (here / "down").exists() or not (here / "down").stat().st_size


@pytest.mark.parametrize("tool", ["scp", "scp -O", "pscp -scp", "pscp -sftp"])
def test_rules_by_path_hold_for_each_tool(
    logins: dict[str, Login], home: Path, here: Path, tool: str
):
    login = logins["open"]
    (here / "x.key").write_bytes(BLOB)
    done = copy(login, tool, "x.key", "blob", f"proxy:{home}/open/", cwd=here)
    assert done.status != 0
    assert "rule keys of this secret forbids this upload" in done.said
    assert names_in(home / "open") == {"held", "held.key", "way-out", "blob"}
    assert (home / "open/blob").read_bytes() == BLOB
    (home / "open/blob").unlink()
    shut = copy(login, tool, "blob", f"proxy:{home}/shut/", cwd=here)
    assert "no rule of this secret allows this upload" in shut.said
    assert names_in(home / "shut") == {"held"}
    for name, reason in (
        ("open/held", ""),
        ("open/../shut/held", "no rule of this secret allows"),
    ):
        down = copy(login, tool, f"proxy:{home}/{name}", "down", cwd=here)
        assert reason in down.said
        assert (down.status != 0) is bool(reason), down.said
        data = (here / "down").read_bytes() if (here / "down").exists() else b""
        assert data == (b"" if reason else BLOB)
        (here / "down").unlink(missing_ok=True)


def test_sftp_goes_on_behind_what_was_refused(logins: dict[str, Login], home: Path, here: Path):
    login = logins["open"]
    done = sftp(
        login,
        f"-get {home}/shut/held one",
        f"cd {home}/open",
        "-get ../shut/held two",
        "-rename ../shut/held moved",
        "-ln -s ../shut/held linked",
        "-ln ../shut/held linked",
        "-rm ../shut/held",
        "-put blob ../shut/put",
        "get held three",
        "put blob given",
        "rename given renamed",
        "rm renamed",
        cwd=here,
    )
    assert done.status == 0, done.said
    assert done.said.count("no rule of this secret allows") == 6
    assert hashlib.sha256((here / "three").read_bytes()).digest() == (
        hashlib.sha256(BLOB).digest()
    )
    assert names_in(here) & {"one", "two"} == set()
    assert names_in(home / "shut") == {"held"}
    assert names_in(home / "open") == {"held", "held.key", "way-out"}


def test_psftp_is_told_too(daemon: Daemon, logins: dict[str, Login], home: Path, here: Path):
    script = here / "script"
    script.write_text(f"lcd {here}\ncd {home}/open\nget ../shut/held one\nget held two\nquit\n")
    done = run(
        Putty(logins["open"], daemon.fingerprints()).argv(
            "psftp", "-batch", "-be", "-b", str(script), "127.0.0.1"
        )
    )
    assert "no rule of this secret allows this download" in done.said
    assert (here / "two").read_bytes() == BLOB
    assert not (here / "one").exists() or not (here / "one").stat().st_size


@pytest.mark.parametrize(
    ("name", "words", "typed"),
    [
        ("fetch", ["cat", "/etc/hostname"], b""),
        ("fetch", ["cat > over"], b"x"),
        ("bring", ["cat", "/etc/hostname"], b""),
        ("open", ["tar c ."], b""),
        ("bring", [], b"cat /etc/passwd\n"),
    ],
)
def test_other_commands_are_not_a_way_around(
    logins: dict[str, Login], name: str, words: Sequence[str], typed: bytes
):
    done = logins[name].run(*words, typed=typed)
    assert done.status == 126
    assert done.stdout == b""
    assert "refused: " in done.said


def test_a_terminal_stays_open(logins: dict[str, Login], open_terminal: OpenTerminal):
    terminal = open_terminal(logins["bring"].ssh("-tt"), logins["bring"].env)
    terminal.expect(r"\$ ")
    terminal.type("echo seen-$((40+2)); exit\r")
    terminal.expect("seen-42")


def test_a_refusal_is_in_the_recording_and_in_the_trail(
    daemon: Daemon, logins: dict[str, Login], home: Path, here: Path
):
    daemon.forget_sessions()
    sftp(logins["open"], f"-get {home}/shut/held one", cwd=here)
    recording = daemon.recorded()
    [matched] = recording.events("command_matched")
    asked = f"download {home}/shut/held"
    assert (matched["rule"], matched["outcome"], matched["command"]) == (
        "folder",
        "refused",
        asked,
    )
    [touched] = recording.events("file_touched")
    assert (touched["operation"], touched["size_bytes"]) == ("download", 0)
    assert "unsupported" in touched["outcome"]

    def told() -> bool:
        rows = daemon.json("audit", "list")
        return any(
            row["action"] == "command.matched" and row["detail"].endswith(f": {asked}")
            for row in rows
        )

    wait_until(told, "not in the audit trail")


def test_what_crossed_is_exported_with_its_contents(
    daemon: Daemon, logins: dict[str, Login], home: Path, here: Path
):
    (here / "small").write_bytes(b"small\n")
    for tool, words in (
        ("sftp", (f"get {home}/open/held down", f"put small {home}/open/small")),
        ("scp -O", ("small", f"proxy:{home}/open/small")),
        ("scp -O", (f"proxy:{home}/open/held", "down")),
    ):
        daemon.forget_sessions()
        if tool == "sftp":
            sftp(logins["open"], *words, cwd=here)
        else:
            copy(logins["open"], tool, *words, cwd=here)
        exported = zipfile.ZipFile(io.BytesIO(daemon.recorded().export("files")))
        rows = json.loads(exported.read("files.json"))
        assert rows
        for row in rows:
            data = BLOB if row["operation"] == "download" else b"small\n"
            assert exported.read(row["contents"]) == data
            assert row["sha256"] == hashlib.sha256(data).hexdigest()
    (home / "open/small").unlink()


def exported(daemon: Daemon) -> dict[str, bytes | None]:
    """What was kept of the last session's files, by digest; None: the digest alone."""
    archive = zipfile.ZipFile(io.BytesIO(daemon.recorded(seconds=40).export("files")))
    daemon.forget_sessions()
    rows = json.loads(archive.read("files.json"))
    return {
        row["sha256"]: archive.read(row["contents"]) if row["contents"] else None
        for row in rows
    }


@pytest.fixture(scope="module")
def keeping(daemon: Daemon, openssh_server: OpenSSHServer) -> dict[int, Login]:
    """Of secrets that keep so many bytes."""
    made = {}
    for size_bytes in (0, len(BLOB) // 2, 20_000_000):
        secret = f"keeps-{size_bytes}"
        daemon.add_secret(secret, openssh_server)
        daemon.cli("secret", "keep-files", secret, str(size_bytes))
        made[size_bytes] = daemon.login(secret)
    return made


@pytest.mark.parametrize(
    ("tool", "size_bytes"),
    # The last is more than is kept of other channels.
    [("scp", 1_000_000), ("scp -O", 1_000_000), ("sftp", 17_000_000)],
)
def test_what_files_hold_is_kept_as_far_as_the_secret_says(
    daemon: Daemon,
    keeping: dict[int, Login],
    home: Path,
    here: Path,
    tool: str,
    size_bytes: int,
):
    large, far = os.urandom(size_bytes), f"{home}/open/kept"
    (here / "large").write_bytes(large)
    for name, data, kept_bytes in (
        ("large", large, 20_000_000),
        ("blob", BLOB, len(BLOB) // 2),
        ("blob", BLOB, 0),
    ):
        login, digest = keeping[kept_bytes], hashlib.sha256(data).hexdigest()
        daemon.forget_sessions()
        if tool == "sftp":
            both = [sftp(login, f"put {name} {far}", f"get {far} back", cwd=here)]
        else:
            both = [copy(login, tool, name, f"proxy:{far}", cwd=here)]
            up = exported(daemon)
            both.append(copy(login, tool, f"proxy:{far}", "back", cwd=here))
            assert up == {digest: data if name == "large" else None}
        assert [done.status for done in both] == [0] * len(both), both[-1].said
        assert (here / "back").read_bytes() == data
        assert exported(daemon) == {digest: data if name == "large" else None}
    (home / "open/kept").unlink()


def test_what_a_link_on_the_target_leads_to_is_not_seen(
    logins: dict[str, Login], home: Path, here: Path
):
    # As docs/files.md says: rules go by names.
    done = sftp(logins["open"], f"get {home}/open/way-out/held out", cwd=here)
    assert done.status == 0
    assert (here / "out").read_bytes() == BLOB


def test_rules_are_listed_changed_and_forgotten(daemon: Daemon, openssh_server: OpenSSHServer):
    daemon.add_secret("kept", openssh_server)
    daemon.cli("secret", "file-rule", "kept", "one", "refuse", "/etc/**")
    daemon.cli("secret", "file-rule", "kept", "one", "allow", "--direction", "upload")
    assert daemon.json("secret", "file-rules", "kept") == [
        {"name": "one", "verdict": "allow", "directions": ["upload"], "glob": "**"}
    ]
    wrong = daemon.cli("secret", "file-rule", "kept", "two", "refuse", "etc", check=False)
    assert wrong.status == 2
    assert "names no files" in wrong.said
    daemon.cli("secret", "forget-file-rule", "kept", "one")
    assert daemon.json("secret", "file-rules", "kept") == []
    gone = daemon.cli("secret", "forget-file-rule", "kept", "one", check=False)
    assert gone.status == 3
