"""Whether what is stored of a session is whole and as it was made."""

from collections.abc import Iterable, Iterator

from control.proof_requests import SessionProof
from control.requests import SessionSummary, StoredChunk
from recorder.replay.verify import Facts, Finding, Kept, Problem, verify
from recorder.signing import SignerKey


class _Signers:
    def __init__(self, keys: tuple[SignerKey, ...]) -> None:
        self._keys = {(key.engine_id, key.key_id): key for key in keys}

    def find(self, engine_id: str, signing_key: str) -> SignerKey | None:
        return self._keys.get((engine_id, signing_key))


def findings_of(
    summary: SessionSummary, proof: SessionProof, chunks: Iterable[StoredChunk]
) -> list[Finding]:
    """Return what is wrong with a stored session; reads all of `chunks`."""
    facts = Facts(
        session_id=summary.id,
        # What the store says now is no reason to miss an end that it once logged.
        live=summary.state == "live" and proof.last_digest is None,
        chunks=summary.chunks,
        signers=_Signers(proof.signers),
        signed=proof.signed,
        last_digest=proof.last_digest,
    )
    findings = list(verify(_kept(chunks), facts))
    return findings + [
        Finding(problem=Problem.LOG_DIFFERS, sequence=None, text=text)
        for text in proof.problems
    ]


def _kept(chunks: Iterable[StoredChunk]) -> Iterator[Kept]:
    for one in chunks:
        yield Kept(
            sequence=one.sequence,
            digest=one.digest,
            encoded=one.encoded,
            data_key=one.data_key,
            stored_at=one.stored_at,
        )
