"""Whatever is typed and shown: nothing comes twice, nothing out of order, little is held."""

from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.events import ClientData, InputMasked, KnownEvent
from recorder.masking import AHEAD_GRACE_MS, HELD_LIMIT_BYTES, Masker

typed = st.one_of(
    st.binary(max_size=8),
    st.sampled_from(
        [
            b"\r",
            b"ls -la\r",
            b"\x1b[A",
            b"\x1b",
            b"secret",
            b"\x03",
            b"a" * 40_000,
            b"word\r" * 30,
        ]
    ),
)
shown = st.one_of(
    st.binary(max_size=8),
    st.sampled_from(
        [
            b"\r\n",
            b"ls -la\r\n",
            b"Password: ",
            b"\x1b[?1049h",
            b"\x1b[?1049l",
            b"word\r\n" * 30,
        ]
    ),
)
steps = st.lists(
    st.tuples(
        st.sampled_from(["typed", "shown", "echoed", "tick"]),
        typed,
        shown,
        st.integers(0, 4000),
    ),
    max_size=60,
)


def play(
    masker: Masker, steps: list[tuple[str, bytes, bytes, int]]
) -> tuple[bytes, list[KnownEvent]]:
    sent, told, at_ms = b"", list[KnownEvent](), 0
    for what, keys, output, pause_ms in steps:
        at_ms += pause_ms
        if what in {"typed", "echoed"}:
            sent += keys
            told += masker.typed(at_ms, keys)
        if what in {"shown", "echoed"}:
            told += masker.shown(at_ms, keys if what == "echoed" else output)
        told += masker.tick(at_ms) if what == "tick" else []
        assert masker._held_bytes <= HELD_LIMIT_BYTES
    return sent, told + masker.flush(at_ms + AHEAD_GRACE_MS)


def is_part(kept: bytes, sent: bytes) -> bool:
    """Whether `kept` is `sent` with some of it left out."""
    rest = iter(sent)
    return all(byte in rest for byte in kept)


@settings(deadline=None)
@given(steps)
def test_what_is_kept_is_what_was_typed_in_order_and_all_of_it_unless_masked(steps):
    sent, told = play(Masker(0), steps)
    kept = b"".join(event.data for event in told if isinstance(event, ClientData))
    assert is_part(kept, sent)
    if not any(isinstance(event, InputMasked) for event in told):
        assert kept == sent
    assert [event.at_ms for event in told] == sorted(event.at_ms for event in told)


@settings(deadline=None)
@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1), st.booleans()
)
def test_no_line_without_echo_is_kept(secret, at_prompt):
    masker = Masker(0)
    told = masker.shown(0, b"Password: " if at_prompt else b"> ")
    for at_ms, key in enumerate(secret):
        told += masker.typed(at_ms, key.encode())
    told += masker.typed(len(secret), b"\r")
    told += masker.shown(len(secret) + 1, b"\r\n" + secret.encode() + b"\r\n$ ")
    told += masker.flush(99_999)
    kept = [event.data for event in told if isinstance(event, ClientData)]
    assert kept == [b"\r"]


@settings(deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C"]))))
def test_every_echoed_line_is_kept(lines):
    masker = Masker(0)
    told = masker.shown(0, b"$ ")
    for line in lines:
        for key in line:
            told += masker.typed(1, key.encode())
            told += masker.shown(1, key.encode())
        told += masker.typed(1, b"\r")
        told += masker.shown(1, b"\r\n$ ")
    kept = b"".join(event.data for event in told if isinstance(event, ClientData))
    assert kept == b"".join(line.encode() + b"\r" for line in lines)
