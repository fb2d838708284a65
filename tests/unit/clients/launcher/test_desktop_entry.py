import dataclasses
import os
import re
import subprocess
import zipfile
from configparser import ConfigParser

import pytest
from peers.needed import program

from clients.errors import UsageError
from clients.launcher.desktop_entry import NAME, SCHEME, entry, install, remove


def read(text: str) -> dict[str, str]:
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read_string(text)
    return dict(parser["Desktop Entry"])


def words_of(command: str) -> list[str]:
    """As the specification reads an `Exec`: the value's escapes first, then quotes."""
    value = command.replace("\\\\", "\\")
    found = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', value)
    words = [re.sub(r"\\(.)", r"\1", quoted) or plain for quoted, plain in found]
    return [word.replace("%%", "%") for word in words]


def test_the_link_is_one_word_behind_those_of_the_launcher():
    itself = ("/opt/my python/python3", "-P", '/home/a"b/$HOME/50%/`x`/proxyd-launcher')
    given = read(entry(itself))
    assert words_of(given["Exec"]) == [*itself, "--window", "%u"]
    assert given["MimeType"] == f"{SCHEME};"
    assert given["Terminal"] == "false"


@pytest.mark.peers
def test_desktops_take_the_entry(tmp_path):
    path = tmp_path / NAME
    for itself in (("/usr/bin/python3", "-P", "/x"), ("/a b/python3", "-P", "/x$`%")):
        path.write_text(entry(itself))
        argv = [program("desktop-file-validate"), path]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.peers
def test_it_becomes_what_opens_links_and_is_that_no_more(make_surroundings, short):
    around = make_surroundings(
        XDG_DATA_HOME=str(short / "data"), XDG_CONFIG_HOME=str(short / "config")
    )
    (short / "config").mkdir()
    assert "made it what opens proxyd: links" in install(around)
    argv = [program("xdg-mime"), "query", "default", SCHEME]
    done = subprocess.run(argv, capture_output=True, text=True, env=around.env, check=True)
    assert done.stdout.strip() == NAME
    assert remove(around) == [f"removed {short / 'data/applications' / NAME}"]
    assert remove(around) == []


def test_without_the_desktop_s_tools_it_is_said_what_to_choose(make_surroundings):
    told = install(make_surroundings(PATH="/nowhere"))
    assert f"choose it for {SCHEME}" in told[-1]


def test_a_download_is_kept_where_it_will_be_found_again(make_surroundings, short):
    download = short / "download.pyz"
    with zipfile.ZipFile(download, "w") as packed:
        packed.writestr("__main__.py", "")
    around = make_surroundings(PATH="/nowhere")
    python = around.itself[0]
    around = dataclasses.replace(around, itself=(python, "-P", str(download)))
    install(around)
    kept = short / "data/proxyd-launcher/proxyd-launcher.pyz"
    assert kept.read_bytes() == download.read_bytes()
    text = (short / "data/applications" / NAME).read_text()
    assert words_of(read(text)["Exec"])[:3] == [python, "-P", str(kept)]
    install(dataclasses.replace(around, itself=(python, "-P", str(kept))))
    remove(around)
    assert not kept.exists()


def test_what_an_administrator_installed_is_used_where_it_lies(
    make_surroundings, short, monkeypatch
):
    installed = short / "proxyd-launcher"
    with zipfile.ZipFile(installed, "w") as packed:
        packed.writestr("__main__.py", "")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    around = make_surroundings(PATH="/nowhere")
    install(dataclasses.replace(around, itself=("/usr/bin/python3", "-P", str(installed))))
    text = (short / "data/applications" / NAME).read_text()
    assert words_of(read(text)["Exec"])[2] == str(installed)
    assert not (short / "data/proxyd-launcher").exists()


def test_where_it_cannot_be_written_that_is_said(make_surroundings, short):
    (short / "data").write_text("a file in the way")
    with pytest.raises(UsageError, match="cannot be written"):
        install(make_surroundings(PATH="/nowhere"))
