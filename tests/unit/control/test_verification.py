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
