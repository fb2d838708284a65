import datetime as dt

from bus.command_rules import MenuEntry
from bus.own_account import OwnCredential, Presence, SecretSeen, SecretsFound
from protocols.ssh.terminal import pages

SEEN = SecretSeen(
    name="web01",
    protocol="ssh",
    host="web01.example.org",
    port=22,
    username="root",
    site="berlin",
    channels=("shell",),
    demands=("comment",),
    engines=("engine-b",),
    favourite=True,
)
AT = dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)


def test_a_search_shows_what_a_secret_demands_and_how_to_go_on():
    lines = pages.listed(SecretsFound(secrets=(SEEN,), more=3), skipped=25)
    assert "web01 *" in lines[1]
    assert "comment" in lines[1]
    assert lines[-1] == "3 more: search ... -skip 26"


def test_a_secret_of_another_site_says_which_engine_to_use():
    assert "engine-b" in pages.shown(SEEN, "default")[-1]
    assert pages.shown(SEEN, "berlin")[-1] == "launch web01"


def test_who_is_there_is_shown_with_since_when():
    person = Presence(user="bea", secret="web01", client_address="192.0.2.1", since=AT)
    assert "2026-01-02 03:04 UTC" in pages.present([person])[1]
    assert pages.present([]) == ["nobody else is there"]


def test_a_pair_is_shown_with_how_it_is_used():
    issued = OwnCredential(
        username="abc",
        host="bastion",
        port=2222,
        protocol="ssh",
        expires_at=AT,
        sealed_password=b"",
    )
    assert pages.pair(issued, "secret")[-1] == "ssh -p 2222 abc@bastion"


def test_nothing_shown_can_act_on_a_terminal():
    assert pages.plain("a\x1b[2Jb\x07\u202ec") == "a [2Jb  c"
    assert "\x1b" not in "".join(pages.table(("A",), [("\x1b[2J",)]))


def test_a_menu_is_numbered():
    entries = (
        MenuEntry(name="say", command="echo $what"),
        MenuEntry(name="who", command="id -un"),
    )
    assert pages.menu(entries)[2:] == ["1   say   echo $what", "2   who   id -un"]
