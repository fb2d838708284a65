from typing import get_args

from control import wire
from control.answers import ManyRequest, Result
from control.requests import OperatorRequest


def test_the_wire_knows_every_result_by_its_name():
    assert set(wire._RESULTS.values()) == set(get_args(Result))


def test_what_has_many_results_is_a_request():
    assert set(get_args(ManyRequest)) < set(get_args(OperatorRequest))
