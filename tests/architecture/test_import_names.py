"""Our import names are generic words, so nobody else may bring the same ones."""

from importlib.metadata import packages_distributions

OURS = ("proxyd", "protocols", "recorder", "bus", "config", "storage", "control", "clients")


def test_no_other_distribution_brings_one_of_these_names() -> None:
    brought = packages_distributions()
    assert {name: set(brought[name]) for name in OURS} == {name: {"proxyd"} for name in OURS}
