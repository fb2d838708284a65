import msgspec
from samples.chunks import three_chunks
from samples.operator import NodeInMemory, summary

from control.requests import StoredChunk
from control.verification import findings_of


def stored() -> tuple[NodeInMemory, list[StoredChunk]]:
    node = NodeInMemory()
    one = summary(chunks=3)
    node.store(one, three_chunks())
    return node, node.chunks[one.id]


def test_a_whole_recording_has_nothing_wrong():
    node, chunks = stored()
    one = summary(chunks=3)
    assert findings_of(one, node.proof(one), chunks) == []


def test_what_is_missing_and_what_the_log_says_are_findings():
    node, chunks = stored()
    one = summary(chunks=3)
    proof = msgspec.structs.replace(node.proof(one), problems=("it was rolled back",))
    problems = [finding.problem.value for finding in findings_of(one, proof, chunks[:1])]
    assert problems[0] == "missing"
    assert problems[-1] == "log differs"


def test_a_live_session_may_lack_its_end():
    node, chunks = stored()
    one = summary(state="live", chunks=2)
    proof = msgspec.structs.replace(node.proof(one), last_digest=None)
    assert findings_of(one, proof, chunks[:2]) == []


def test_a_session_whose_end_is_logged_may_not_lack_it_whatever_the_store_says():
    node, chunks = stored()
    proof = node.proof(summary(chunks=3))
    findings = findings_of(summary(state="live", chunks=2), proof, chunks[:2])
    assert [finding.problem.value for finding in findings] == ["truncated", "log differs"]
