import pytest

from protocols.rdp.typed_secrets import LIKELY_MS, TypedSecrets
from protocols.rdp.wire.keys import EXTENDED, NO_SCAN_CODE, KeyMove

SHIFT, CONTROL, ALT, WINDOWS = 0x2A, 0x1D, 0x38, 0x5B | EXTENDED
L, END, ENTER, ESCAPE, A = 0x26, 0x4F | EXTENDED, 0x1C, 0x01, 0x1E
LOCK, ATTENTION = (WINDOWS, L), (CONTROL, ALT, END)


def chord(*codes: int) -> list[KeyMove]:
    return [KeyMove(code) for code in codes] + [KeyMove(code, released=True) for code in codes]


def kept(secrets: TypedSecrets, keys: list[KeyMove], at_ms: int = 0) -> list[int]:
    """Which keys that went down are kept, each in a packet of its own."""
    return [key.code for key in keys if not secrets.hides([key], at_ms) and not key.released]


@pytest.mark.parametrize("keys", [LOCK, ATTENTION, (CONTROL, SHIFT, ENTER)])
@pytest.mark.parametrize("answer", [ENTER, ESCAPE])
def test_behind_what_brings_up_such_a_screen_nothing_is_kept_until_it_is_answered(
    keys: tuple[int, ...], answer: int
) -> None:
    secrets = TypedSecrets()
    assert kept(secrets, chord(*keys)) == [*keys]
    typed = [*chord(A), *chord(SHIFT, A), KeyMove(NO_SCAN_CODE), *chord(answer)]
    assert kept(secrets, typed) == []
    assert kept(secrets, chord(A)) == [A]


def test_the_first_hidden_key_of_each_screen_says_so() -> None:
    secrets = TypedSecrets()
    said = []
    for key in [*chord(*LOCK), *chord(A, A, ENTER), *chord(*LOCK), *chord(ENTER)]:
        secrets.hides([key], 0)
        said.append(secrets.hidden)
    assert sum(said) == 2


def test_a_screen_that_nobody_answers_is_forgotten() -> None:
    secrets = TypedSecrets()
    kept(secrets, chord(*LOCK))
    assert kept(secrets, chord(A), LIKELY_MS) == []
    assert kept(secrets, chord(A), LIKELY_MS + 1) == [A]


@pytest.mark.parametrize("keys", [(L,), (CONTROL, L), (CONTROL, END), (SHIFT, ENTER), (A,)])
def test_other_keys_bring_up_none(keys: tuple[int, ...]) -> None:
    secrets = TypedSecrets()
    assert kept(secrets, [*chord(*keys), *chord(A)]) == [*keys, A]
