"""RFC 6962 has no vectors of its own; these are those of the reference implementation."""

import pytest

from recorder.merkle import EMPTY_ROOT, Tree, inclusion_path, leaf_hash, root_by_path, root_of

ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def test_the_root_of_nothing_is_the_hash_of_nothing():
    assert Tree().root() == EMPTY_ROOT


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_certificate_transparency(size: int):
    assert root_of(LEAVES[:size]).hex() == ROOTS[size - 1]


@pytest.mark.parametrize("index", range(8))
def test_a_path_leads_to_the_root_from_its_own_entry_alone(index: int):
    path = inclusion_path(LEAVES, index)
    assert root_by_path(LEAVES[index], index, 8, path) == root_of(LEAVES)
    assert root_by_path(LEAVES[index - 1], index, 8, path) != root_of(LEAVES)


@pytest.mark.parametrize(
    ("index", "size", "steps"), [(8, 8, 3), (-1, 8, 3), (0, 8, 2), (0, 8, 4)]
)
def test_a_path_of_another_tree_leads_nowhere(index: int, size: int, steps: int):
    assert root_by_path(LEAVES[0], index, size, [bytes(32)] * steps) is None


def test_there_is_no_path_to_what_is_not_there():
    with pytest.raises(IndexError):
        inclusion_path(LEAVES, 8)
