"""Whose a user name is, told by its form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.names import HANDLE_ALPHABET, HANDLE_CHARACTERS, OwnName, is_generated, own_name

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)


@given(st.text(HANDLE_ALPHABET, min_size=HANDLE_CHARACTERS, max_size=HANDLE_CHARACTERS))
def test_what_is_generated_is_told_by_its_form(name):
    assert is_generated(name)


@pytest.mark.parametrize("name", ["alice", "alice%web01", "alice-smith", "abcdefghjkml", ""])
def test_people_s_names_are_not_generated(name):
    assert not is_generated(name)


@given(NAMES, NAMES)
def test_a_name_and_a_secret_are_read_as_they_were_put_together(user, secret):
    assert own_name(f"{user}%{secret}") == OwnName(user, secret)
    assert own_name(user) == OwnName(user)


@pytest.mark.parametrize(
    "name",
    [
        *("", "%", "alice%", "%web01", "alice%web%01", "alice%%web01", "alice%web 01"),
        *("alice:web01", "alice%web,01", "alice%web\x00", "alice%\u202eweb", "alïce", "a" * 65),
    ],
)
def test_a_name_that_would_have_to_be_escaped_is_none(name):
    assert own_name(name) is None


@given(st.text())
def test_no_name_is_taken_apart_in_two_ways(name):
    read = own_name(name)
    if read is not None:
        assert name == (read.user if read.secret is None else f"{read.user}%{read.secret}")
