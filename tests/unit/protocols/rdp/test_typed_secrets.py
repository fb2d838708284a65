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


def test_while_a_logon_is_expected_nothing_is_kept_however_often_enter_is_pressed() -> None:
    secrets = TypedSecrets()
    secrets.logon_expected()
    typed = [*chord(ENTER), *chord(A), *chord(SHIFT, A), *chord(ENTER), *chord(A, ENTER)]
    assert kept(secrets, typed, 5_000_000) == []
    secrets.logged_on()
    assert kept(secrets, chord(A, ENTER), 5_000_001) == [A, ENTER]


def test_a_logon_that_nobody_tells_of_is_forgotten_a_while_after_the_first_key() -> None:
    secrets = TypedSecrets()
    secrets.logon_expected()
    assert not secrets.hides([], 0)
    assert kept(secrets, chord(A), 60_000) == []
    assert kept(secrets, chord(A), 60_000 + LIKELY_MS) == []
    assert kept(secrets, chord(A), 60_001 + LIKELY_MS) == [A]
    assert kept(secrets, chord(A), 0) == [A]


def test_each_logon_says_once_that_keys_are_missing() -> None:
    secrets, said = TypedSecrets(), 0
    for _ in range(2):
        secrets.logon_expected()
        for key in chord(A, ENTER):
            secrets.hides([key], 0)
            said += secrets.hidden
    assert said == 2


def test_what_locks_is_noticed_while_a_logon_is_expected() -> None:
    secrets = TypedSecrets()
    secrets.logon_expected()
    assert kept(secrets, chord(*LOCK)) == []
    secrets.logged_on()
    assert kept(secrets, chord(A)) == []


@pytest.mark.parametrize("keys", [(L,), (CONTROL, L), (CONTROL, END), (SHIFT, ENTER), (A,)])
def test_other_keys_bring_up_none(keys: tuple[int, ...]) -> None:
    secrets = TypedSecrets()
    assert kept(secrets, [*chord(*keys), *chord(A)]) == [*keys, A]


TAB = 0x0F


def test_a_client_that_is_given_the_keyboard_hides_nothing_by_letting_go_of_keys() -> None:
    """xfreerdp says so in the packet that tells of Caps Lock and Num Lock."""
    secrets = TypedSecrets()
    secrets.logon_expected()
    assert not secrets.hides([KeyMove(TAB, released=True)], 0)
    assert not secrets.hidden
    assert secrets.hides([KeyMove(A)], 1)
    assert secrets.hidden
    assert not secrets.hides([KeyMove(TAB, released=True)], 2)
    assert secrets.hides([KeyMove(A, released=True)], 3)
    assert not secrets.hides([KeyMove(A, released=True)], 4)


def test_what_went_down_hidden_comes_up_hidden_and_the_next_time_is_kept() -> None:
    secrets = TypedSecrets()
    secrets.logon_expected()
    character = KeyMove(NO_SCAN_CODE, unit=0x61)
    for key in (KeyMove(A), character):
        assert secrets.hides([key], 0)
    secrets.logged_on()
    for key in (KeyMove(A), character):
        up = KeyMove(key.code, released=True, unit=key.unit)
        assert secrets.hides([up], 1)
        assert not secrets.hides([key], 2)
        assert not secrets.hides([up], 3)
