import pytest

from config.schema import ABOVE, KEYS, TABLES, allowed, is_list, looks_like, suggestion


def test_every_table_and_every_key_above_them_is_known():
    assert {"ssh", "recorder", "database"} <= set(TABLES)
    assert "state_dir" in KEYS[ABOVE]
    assert not set(KEYS[ABOVE]) & set(TABLES)


@pytest.mark.parametrize(("table", "key"), [(t, k) for t, keys in KEYS.items() for k in keys])
def test_every_setting_says_what_it_may_be(table, key):
    assert allowed(table, key)


@pytest.mark.parametrize(
    ("table", "key", "words"),
    [
        ("recorder", "chunk_max_bytes", "a whole number >= 4096 and <= 8388608"),
        ("recorder", "on_loss", "one of require, spool, best-effort"),
        ("database", "url", "text"),
        (ABOVE, "state_dir", "a path"),
    ],
)
def test_bounds_and_choices_are_named(table, key, words):
    assert allowed(table, key) == words


def test_only_lists_are_lists():
    assert is_list("ssh", "listen")
    assert not is_list("control", "listen")


def test_a_near_miss_is_corrected_and_anything_else_gets_the_list():
    assert suggestion("max_trys", KEYS["ssh"]) == "did you mean `max_tries`?"
    assert suggestion("zzz", ["b", "a"]) == "known are a, b"


def test_a_slip_looks_like_the_word_and_another_word_does_not():
    assert looks_like("statedir", KEYS[ABOVE])
    assert not looks_like("service_host", KEYS[ABOVE])
