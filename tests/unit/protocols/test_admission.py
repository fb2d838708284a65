"""Connections that have not authenticated are few, and those that misbehave wait."""

import pytest

from protocols import admission
from protocols.admission import (
    PENALTY_S,
    Admission,
    Admitted,
    Departure,
    Refusal,
    Refused,
    parse_startups,
)

SOURCE = "192.0.2.7"
NEVER, ALWAYS = 0.999999, 0.0
"""Rolls that no early drop takes, and that every early drop takes."""


def fill(door: Admission, count: int, source: str = SOURCE) -> list[Admitted]:
    tickets = [door.admit(source, 0, NEVER) for _ in range(count)]
    assert all(isinstance(ticket, Admitted) for ticket in tickets)
    return [ticket for ticket in tickets if isinstance(ticket, Admitted)]


def punish(
    door: Admission, how: Departure, times: int, now_s: float = 0, source: str = SOURCE
) -> None:
    for _ in range(times):
        ticket = door.admit(source, now_s, NEVER)
        assert isinstance(ticket, Admitted)
        door.left(ticket, how, now_s)


@pytest.mark.parametrize(
    ("waiting", "percent"),
    [(0, 0), (9, 0), (10, 30), (55, 65), (99, 99), (100, 100), (500, 100)],
)
def test_the_share_of_dropped_connections_grows_from_start_to_full(waiting, percent):
    assert parse_startups("10:30:100").drop_percent(waiting) == percent


def test_below_start_everybody_is_admitted():
    door = Admission()
    assert all(isinstance(door.admit(SOURCE, 0, ALWAYS), Admitted) for _ in range(10))
    assert door.admit(SOURCE, 0, ALWAYS) == Refused(Refusal.TOO_MANY)


def test_an_early_drop_follows_the_roll():
    door = Admission()
    fill(door, 10)
    assert door.admit(SOURCE, 0, 0.29) == Refused(Refusal.TOO_MANY)
    assert isinstance(door.admit(SOURCE, 0, 0.31), Admitted)


def test_at_full_nobody_gets_another_connection():
    door = Admission()
    fill(door, 50)
    fill(door, 50, "198.51.100.1")
    assert door.admit(SOURCE, 0, NEVER) == Refused(Refusal.TOO_MANY)


def test_a_flood_from_a_few_sources_keeps_nobody_else_out():
    door = Admission()
    fill(door, 50)
    fill(door, 50, "198.51.100.1")
    assert isinstance(door.admit("203.0.113.9", 0, ALWAYS), Admitted)


def test_a_flood_from_many_sources_is_dropped_early_and_then_altogether():
    door = Admission()
    for last in range(100):
        assert isinstance(door.admit(f"192.0.2.{last}", 0, NEVER), Admitted)
    assert door.admit("203.0.113.9", 0, NEVER) == Refused(Refusal.TOO_MANY)
    door = Admission()
    for last in range(10):
        fill(door, 1, f"192.0.2.{last}")
    assert door.admit("203.0.113.9", 0, ALWAYS) == Refused(Refusal.TOO_MANY)


def test_one_source_has_at_most_full_connections():
    door = Admission("10:30:100")
    fill(door, 100)
    assert door.admit(SOURCE, 0, NEVER) == Refused(Refusal.TOO_MANY_FROM_SOURCE)


def test_a_limit_for_each_source_leaves_room_for_the_others():
    door = Admission(max_startups_per_source=5)
    fill(door, 5)
    assert door.admit(SOURCE, 0, NEVER) == Refused(Refusal.TOO_MANY_FROM_SOURCE)
    assert isinstance(door.admit("198.51.100.1", 0, ALWAYS), Admitted)


def test_who_authenticates_makes_room():
    door = Admission("1:100:1")
    (ticket,) = fill(door, 1)
    assert isinstance(door.admit(SOURCE, 0, NEVER), Refused)
    door.authenticated(ticket)
    assert isinstance(door.admit(SOURCE, 0, NEVER), Admitted)


def test_leaving_or_authenticating_twice_counts_once():
    door = Admission()
    first, _ = fill(door, 2)
    for _ in range(2):
        door.authenticated(first)
        door.left(first, Departure.DONE, 0)
    assert door.waiting == 1


def test_six_tries_are_allowed_on_a_connection():
    door = Admission()
    (ticket,) = fill(door, 1)
    assert [door.failed(ticket) for _ in range(6)] == [True] * 5 + [False]


@pytest.mark.parametrize(
    ("how", "penalty_s"),
    [
        (Departure.AUTH_FAILED, 5),
        (Departure.INVALID_USER, 5),
        (Departure.NO_AUTH, 1),
        (Departure.GRACE_EXCEEDED, 10),
        (Departure.CRASHED, 90),
    ],
)
def test_penalties_are_those_of_openssh_and_bite_beyond_fifteen_seconds(how, penalty_s):
    harmless = 15 // penalty_s
    door = Admission()
    punish(door, how, harmless)
    assert isinstance(door.admit(SOURCE, 0, ALWAYS), Admitted)
    punish(door, how, 1)
    until_s = (harmless + 1) * penalty_s
    assert door.admit(SOURCE, until_s - 0.01, NEVER) == Refused(Refusal.PENALTY)
    assert isinstance(door.admit(SOURCE, until_s, NEVER), Admitted)


def test_every_departure_but_a_good_one_has_a_penalty():
    assert set(PENALTY_S) == set(Departure) - {Departure.DONE}


def test_a_good_departure_costs_nothing():
    door = Admission()
    punish(door, Departure.DONE, 100)
    assert isinstance(door.admit(SOURCE, 0, ALWAYS), Admitted)


def test_a_penalty_ends_after_ten_minutes_at_the_latest():
    door = Admission()
    for ticket in fill(door, 50):
        door.left(ticket, Departure.CRASHED, 0)
    assert isinstance(door.admit(SOURCE, 599.9, NEVER), Refused)
    assert isinstance(door.admit(SOURCE, 600, NEVER), Admitted)


def test_a_session_that_stands_is_no_pardon():
    door = Admission()
    (standing,) = fill(door, 1)
    door.authenticated(standing)
    punish(door, Departure.AUTH_FAILED, 4)
    assert isinstance(door.admit(SOURCE, 1, NEVER), Refused)


@pytest.mark.parametrize(
    ("sinner", "neighbour", "suffers"),
    [
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.8", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("2001:db8:0:1::7", "2001:db8:0:1:ffff::1", True),
        ("2001:db8:0:1::7", "2001:db8:0:2::7", False),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.8", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("/run/gateway.sock", "/run/gateway.sock", True),
    ],
)
def test_a_source_is_an_ipv4_address_or_a_64_of_ipv6(sinner, neighbour, suffers):
    door = Admission()
    punish(door, Departure.CRASHED, 1, source=sinner)
    assert isinstance(door.admit(neighbour, 1, NEVER), Refused) is suffers


def test_penalties_can_be_switched_off():
    door = Admission(penalties=False)
    punish(door, Departure.CRASHED, 20)
    assert isinstance(door.admit(SOURCE, 0, ALWAYS), Admitted)


def test_when_too_many_sources_are_penalised_the_one_that_ends_first_goes(monkeypatch):
    monkeypatch.setattr(admission, "TRACKED_SOURCES", 3)
    door = Admission()
    for second, last in enumerate("1234"):
        punish(door, Departure.CRASHED, 1, now_s=second, source=f"192.0.2.{last}")
    refused = [isinstance(door.admit(f"192.0.2.{last}", 4, NEVER), Refused) for last in "1234"]
    assert refused == [False, True, True, True]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ten",
        "10:30",
        "10:30:100:1",
        "0:30:100",
        "10:0:100",
        "10:101:100",
        "20:30:10",
        "-1:3:4",
        "१:3:4",
    ],
)
def test_a_wrong_specification_is_refused_naming_the_form(text):
    with pytest.raises(ValueError, match="start:rate:full"):
        Admission(text)


def test_a_single_number_is_where_all_are_dropped():
    limits = parse_startups("8")
    assert (limits.drop_percent(7), limits.drop_percent(8)) == (0, 100)


def test_no_tries_at_all_is_refused():
    with pytest.raises(ValueError, match="max_tries 0"):
        Admission(max_tries=0)
