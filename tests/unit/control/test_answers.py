from typing import get_args

from control import wire
from control.answers import ManyRequest, Result, whole_answer
from control.node_requests import AskStatus
from control.requests import Done, ListUsers, OperatorRequest


def test_the_wire_knows_every_result_by_its_name():
    assert set(wire._RESULTS.values()) == set(get_args(Result))


def test_what_has_many_results_is_a_request():
    assert set(get_args(ManyRequest)) < set(get_args(OperatorRequest))


def test_a_list_is_a_list_even_when_it_is_empty():
    assert whole_answer(ListUsers(), iter([])) == []
    assert whole_answer(ListUsers(), iter([Done()])) == [Done()]
    assert whole_answer(AskStatus(), iter([Done()])) == Done()
