import io
import json
import os

import pytest

from clients.launcher.cli import main
from clients.launcher.link import parse_link

TOKEN = "AbCdEfGhIjKlMnOpQrStUvWxYz_-0123"
LINK = f"proxyd://gate.example/launch/{TOKEN}"


@pytest.fixture
def launcher(make_surroundings):
    around = make_surroundings(PATH="/nowhere")

    def launcher(*words: str) -> int:
        return main(words, around)

    return launcher


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("-oProxyCommand=x",),
        ("--colour", LINK),
        (LINK, LINK),
        ("--window",),
        (f"{LINK}?cmd=calc",),
        ("--window", f"https://gate.example/launch/{TOKEN}"),
        ("unregister", "https://gate.example"),
        ("register", "http://gate.example"),
        ("register", "https://gate.example", "--fingerprint", "ab"),
        ("register", "https://gate.example", "--ca", "/nowhere/ca.pem"),
    ],
)
def test_what_makes_no_sense_starts_nothing_and_exits_with_2(words, launcher, short, capfd):
    assert launcher(*words) == 2
    told = capfd.readouterr()
    assert TOKEN not in told.out + told.err
    assert list(short.iterdir()) == []


def test_a_page_is_registered_and_forgotten(launcher, short, capfd):
    ab = "ab" * 32
    assert launcher("register", "https://gate.example:8443", "--fingerprint", ab) == 0
    assert launcher("register", "https://other.example", "--ssh", "putty") == 0
    given = json.loads((short / "config/launcher.json").read_text())
    assert given["servers"] == {
        "gate.example:8443": {"ca": None, "fingerprint": ab},
        "other.example:443": {"ca": None, "fingerprint": None},
    }
    assert given["ssh"] == "putty"
    assert launcher("unregister", "https://gate.example:8443") == 0
    given = json.loads((short / "config/launcher.json").read_text())
    assert list(given["servers"]) == ["other.example:443"]
    assert launcher("unregister") == 0
    assert not (short / "config/launcher.json").exists()
    assert "gate.example:8443 may start sessions" in capfd.readouterr().out


def test_where_it_was_never_tried_it_says_what_to_do_instead(launcher, monkeypatch, capfd):
    monkeypatch.setattr("sys.platform", "win32")
    assert launcher("--help") == 3
    assert "get a credential on the page" in capfd.readouterr().err


def test_help_says_how_it_is_used(launcher, capfd):
    assert launcher("--help") == 0
    assert "proxyd-launcher register" in capfd.readouterr().out


def test_a_link_goes_on_in_a_process_that_has_it_in_no_argv(launcher, monkeypatch):
    began = {}

    class BegunAnewError(Exception):
        pass

    def begin(program, words, env):
        began.update(words=words, env=env)
        raise BegunAnewError

    monkeypatch.setattr(os, "execve", begin)
    with pytest.raises(BegunAnewError):
        launcher("--window", LINK)
    *_, verb, descriptor, window = began["words"]
    assert (verb, window) == ("follow", "--window")
    assert TOKEN not in " ".join(began["words"]) + str(began["env"])
    assert parse_link(os.read(int(descriptor), 4096).decode()) == parse_link(LINK)
    os.close(int(descriptor))


def test_a_page_that_was_not_registered_is_not_asked(launcher, capfd):
    reading, writing = os.pipe()
    os.write(writing, LINK.encode())
    os.close(writing)
    assert launcher("follow", str(reading)) == 4
    assert "register https://gate.example:443" in capfd.readouterr().err


@pytest.mark.parametrize("words", [("show", "/nowhere"), ("answer", "/nowhere")])
def test_where_nothing_is_handed_over_nothing_is_started(words, launcher, monkeypatch, capfd):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert launcher(*words) == 1
    assert "nothing is handed over" in capfd.readouterr().err
