import datetime as dt

from config.load import load
from control.command_lines import command_lines
from control.requests import IssuedCredential
from proxyd import demo
from recorder.session_info import TargetProtocol


def test_every_demo_gets_ports_of_its_own(tmp_path):
    path = tmp_path / "proxyd.toml"
    path.write_text(demo._settings_text(tmp_path / 'a "quoted" state'))
    settings = load(path, {})
    assert settings.state_dir == tmp_path / 'a "quoted" state'
    gateways = {*settings.ssh.listen, *settings.rdp.listen}
    listening = {*gateways, settings.control.listen, settings.metrics.listen}
    assert len(listening) == 4
    assert all(address.startswith("127.0.0.1:") for address in listening)


def test_passwords_last_from_one_demo_to_the_next(tmp_path):
    path, state = tmp_path / "passwords.json", tmp_path / "state"
    made = demo._passwords(path, state)
    assert path.stat().st_mode & 0o777 == 0o600
    assert demo._passwords(path, state) == made
    assert made.admin != made.user


def test_without_its_passwords_a_demo_begins_anew(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    demo._passwords(tmp_path / "passwords.json", state)
    assert not state.exists()


def test_it_prints_a_ready_line_for_each_client(tmp_path):
    shell = issued(TargetProtocol.SSH, "s7user", 2201)
    desktop = issued(TargetProtocol.RDP, "d7user", 3301)
    page = demo.PageLogin(url="https://127.0.0.1:1/", username="admin", password="pw")
    logins = demo.Logins(shell=shell, desktop=desktop)
    words = demo._words(logins, ("SHA256:abc", "ab:cd"), tmp_path / "proxyd.toml", page)
    for line in (
        "  OpenSSH    ssh -p 2201 s7user@127.0.0.1\n",
        "  xfreerdp     xfreerdp /v:127.0.0.1:3301 /u:d7user -clipboard\n",
        "  mstsc        mstsc /v:127.0.0.1:3301\n",
        "  user name    d7user\n",
        "  password   of-s7user\n",
        "  host key   SHA256:abc\n",
        "  certificate  ab:cd\n",
        "  password     of-d7user\n",
    ):
        assert line in words


def issued(protocol: TargetProtocol, username: str, port: int) -> IssuedCredential:
    return IssuedCredential(
        id="1",
        username=username,
        password=f"of-{username}",
        host="127.0.0.1",
        port=port,
        protocol=protocol,
        expires_at=dt.datetime.now(dt.UTC),
        uses=1,
        commands=command_lines(protocol, username, "127.0.0.1", port),
    )
