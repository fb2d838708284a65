import os

from control.operator_name import operator_name


def test_an_operator_is_named_as_the_system_names_them():
    assert operator_name(0) == "root"
    assert operator_name(os.geteuid())
    assert operator_name(4_000_000_000) == "uid 4000000000"
