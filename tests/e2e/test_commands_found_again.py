"""What was typed at bash, vim and tmux is found again: by the index, and by rules."""

import sqlite3
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable

import pytest
from peers.daemon import Daemon
from peers.openssh import OpenSSHServer
from peers.recording import Recording
from peers.terminal import Terminal
from samples.shell_lines import COMPLETED, KEY, PROMPT_KINDS, Entered, corpus

pytestmark = pytest.mark.peers


def lines_of(daemon: Daemon, session: str) -> list[str]:
    """The commands in the index of a session."""
    with sqlite3.connect(f"file:{daemon.state / 'proxyd.db'}?mode=ro", uri=True) as database:
        asked = (
            "select text from lines where session_id = ? and kind = 'command' order by at_ms"
        )
        return [text for (text,) in database.execute(asked, (session.replace("-", ""),))]


def press(terminal: Terminal, entered: Entered) -> None:
    """Type as a person does, who looks at what a key has done before the next; or paste."""
    if entered.kind == "paste":
        terminal.type(entered.keys)
        return
    *keys, last = KEY.findall(entered.keys)
    for key in keys:
        terminal.type(key)
        if key == "\r":
            terminal.expect("> ")
        else:
            terminal.answered()
    terminal.type(last)


@pytest.fixture(scope="module")
def corpus_run(daemon: Daemon, openssh_server: OpenSSHServer) -> tuple[Recording, Counter[str]]:
    """The corpus, typed at a bash, vim and tmux; with what bash's own history says of it."""
    daemon.add_secret("counted", openssh_server)
    daemon.cli("secret", "block", "counted", "all", ".", "--action", "alert")
    login, home = daemon.login("counted"), openssh_server.home()
    (home / COMPLETED).write_text("kiwi\n")
    rc, history = home / "corpus.rc", home / "corpus.history"
    rc.write_text(
        f"PS1='here\\#$ '\nHISTFILE={history}\nHISTSIZE=9999\ncd {home}\nshopt -u cmdhist\n"
    )
    daemon.forget_sessions()
    words = [*login.ssh("-tt"), f"env LC_ALL=C.UTF-8 bash --rcfile {rc} -i"]
    number = 1
    with Terminal(words, env=login.env) as terminal:
        terminal.expect(r"here1\$ ")
        for each in corpus():
            number += each.prompts
            # Events are told apart by the millisecond, and nobody types in that of the prompt.
            time.sleep(0.003)
            press(terminal, each)
            terminal.expect(rf"here{number}\$ ")
        for keys, begun, within in (
            ("vi -u NONE -i NONE\r", "~", ("ivim-text one\rvim-text two\x1b", ":q!\r")),
            ("tmux -L corpus -f /dev/null new\r", r"0:\w+\*", ("echo in-tmux\r", "exit\r")),
        ):
            number += 1
            terminal.type(keys)
            terminal.expect(begun)
            for more in within:
                terminal.settle()
                terminal.type(more)
            terminal.expect(rf"here{number}\$ ")
        terminal.type("exit\r")
        terminal.wait()
    return daemon.recorded(), Counter(map(str.strip, history.read_text().splitlines()))


def test_the_corpus_is_what_bash_says_that_it_ran(corpus_run):
    expected = Counter(run for each in corpus() for run in each.runs)
    assert expected.total() >= 300
    assert not expected - corpus_run[1]


@pytest.mark.parametrize("by", ["index", "rules"])
def test_commands_are_found_again_from_what_was_typed_and_shown(
    daemon: Daemon, corpus_run, record_property: Callable[[str, object], None], by: str
):
    recording, ran = corpus_run
    if by == "rules":
        found = Counter(row["command"] for row in recording.events("command_matched"))
    else:
        daemon.indexed()
        told = lines_of(daemon, recording.id)
        found = Counter(one for one in told if not one.startswith(("rule all", "env LC_ALL")))
    wanted: dict[str, Counter[str]] = defaultdict(Counter)
    for each in corpus():
        wanted[each.kind].update(each.runs)
        if each.kind in PROMPT_KINDS:
            wanted["at prompts"].update(each.runs)
    shares = {kind: (runs & found).total() / runs.total() for kind, runs in wanted.items()}
    shares["precision"] = (ran & found).total() / found.total()
    for name, share in shares.items():
        record_property(f"{by}, {name}", f"{share:.1%}")
        sys.stdout.write(f"{by}, {name}: {share:.1%}\n")
    missing, beyond = wanted["at prompts"] - found, found - ran
    assert shares["at prompts"] >= 0.95, list(missing)[:20]
    assert shares["precision"] >= 0.95, list(beyond)[:20]
