"""What is asked for on a channel says which ledger reads it."""

import pytest

from protocols.ssh.files import SCPLedger, SFTPLedger, ledger_for


@pytest.mark.parametrize(
    ("request_name", "detail", "kind"),
    [
        ("subsystem", b"sftp", SFTPLedger),
        ("subsystem", b"netconf", None),
        ("exec", b"/usr/lib/openssh/sftp-server -l INFO", SFTPLedger),
        ("exec", b"scp -t /srv", SCPLedger),
        ("exec", b"/usr/bin/scp -v -r -p -f -- '/srv/a b'", SCPLedger),
        ("exec", b"scp a b", None),
        ("exec", b"scp -t 'unclosed", SCPLedger),
        ("exec", b"ls -t", None),
        ("exec", b"", None),
        ("shell", b"", None),
    ],
)
def test_the_request_says_which_ledger_reads_the_channel(request_name, detail, kind):
    ledger = ledger_for(request_name, detail, 7)
    assert ledger is None if kind is None else isinstance(ledger, kind)


@pytest.mark.parametrize(
    ("command", "sends", "folder", "path"),
    [
        (b"scp -t /srv/a", False, False, "/srv/a"),
        (b"scp -v -r -p -d -t -- '/srv/a b'", False, True, "/srv/a b"),
        (b"scp -rpf ~/x", True, False, "~/x"),
        (b"/opt/scp -t", False, False, "."),
    ],
)
def test_the_command_says_which_way_and_where(command, sends, folder, path):
    ledger = ledger_for("exec", command, 7)
    assert isinstance(ledger, SCPLedger)
    (touched,) = ledger.client(0, b"?\n") + ledger.target(0, b"?\n")
    assert (touched.channel, touched.operation, touched.path) == (7, "unreadable", path)
    assert (ledger._command.sends, ledger._command.folder) == (sends, folder)
