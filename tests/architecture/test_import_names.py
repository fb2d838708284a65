"""Our import names are generic words, so nobody else may bring the same ones."""

from importlib.metadata import packages_distributions

import pytest

OURS = ("proxyd", "protocols", "recorder", "bus", "config", "storage", "control")


@pytest.mark.parametrize("name", OURS)
def test_no_other_distribution_brings_this_name(name: str) -> None:
    assert set(packages_distributions()[name]) == {"proxyd"}
