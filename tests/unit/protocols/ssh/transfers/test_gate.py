from protocols.ssh.transfers.gate import FileGate


def test_what_may_go_on_is_taken_once():
    gate = FileGate()
    gate._due += b"judged"
    assert (gate.take(), gate.take()) == (b"judged", b"")


def test_neither_time_nor_an_approval_nor_the_end_lets_anything_go():
    gate = FileGate()
    gate.resize(80)
    gate.tick(1)
    gate.resolve(2, approved=True)
    gate.finish(3)
    assert gate.take() == b""
    assert gate.found == []
