"""Right values: RFC 6962 test vectors of the reference log (certificate-transparency, `merkle_tree_test`)."""

import hashlib

import pytest

from steward.security.audit.merkle import (
    Subtree,
    compute_root,
    fold_roots,
    hash_empty,
    hash_leaf,
    hash_node,
    prove_consistency,
    prove_inclusion,
    reduce_full,
    split_full,
    verify_consistency,
    verify_inclusion,
)

INPUTS = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
LEAVES = [hash_leaf(data) for data in INPUTS]


def naive_root(hashes: list[bytes]) -> bytes:
    """MTH as RFC 6962 writes it."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return hashlib.sha256(b"\x01" + naive_root(hashes[:split]) + naive_root(hashes[split:])).digest()


def subtree_of(hashes: list[bytes]) -> Subtree:
    return lambda level, index: reduce_full(hashes[index << level : (index + 1) << level])


def test_the_empty_tree() -> None:
    assert hash_empty().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert fold_roots([]) == hash_empty()


@pytest.mark.parametrize(("size", "root"), ROOTS.items())
def test_roots_of_the_reference(size: int, root: str) -> None:
    assert compute_root(size, subtree_of(LEAVES)).hex() == root


def test_an_audit_path_of_the_reference() -> None:
    """Leaf 0 of 8: the reference's path of three hashes."""
    assert [node.hex()[:8] for node in prove_inclusion(0, 8, subtree_of(LEAVES))] == [
        "96a296d2",
        "5f083f0a",
        "6b47aaf2",
    ]


def test_a_node_is_not_a_leaf_of_the_same_bytes() -> None:
    assert hash_node(LEAVES[0], LEAVES[1]) != hash_leaf(LEAVES[0] + LEAVES[1])


def test_full_subtrees_of_a_size() -> None:
    assert split_full(0, 8) == [(3, 0)]
    assert split_full(4, 7) == [(1, 2), (0, 6)]
    assert split_full(0, 0) == []


@pytest.mark.parametrize("size", range(1, 40))
def test_every_leaf_can_be_proved_and_no_other(size: int) -> None:
    hashes = [hash_leaf(bytes([at])) for at in range(size)]
    root = naive_root(hashes)
    assert compute_root(size, subtree_of(hashes)) == root
    for index in range(size):
        path = prove_inclusion(index, size, subtree_of(hashes))
        assert verify_inclusion(hashes[index], index, size, path, root)
        assert not verify_inclusion(hash_leaf(b"other"), index, size, path, root)
        assert not verify_inclusion(hashes[index], (index + 1) % size, size, path, root) or size == 1
        assert not verify_inclusion(hashes[index], index, size, [*path, root], root)
        assert not path or not verify_inclusion(hashes[index], index, size, path[:-1], root)


@pytest.mark.parametrize("new", range(1, 24))
def test_every_tree_is_consistent_with_its_beginnings_and_no_other(new: int) -> None:
    hashes = [hash_leaf(bytes([at])) for at in range(new)]
    root = naive_root(hashes)
    for old in range(1, new + 1):
        path, old_root = prove_consistency(old, new, subtree_of(hashes)), naive_root(hashes[:old])
        assert verify_consistency(old, new, path, old_root, root)
        assert not verify_consistency(old, new, path, hash_leaf(b"other"), root)
        assert not verify_consistency(old, new, path, old_root, hash_leaf(b"other"))
        assert not verify_consistency(old, new, [*path, root], old_root, root)


def test_nothing_is_proved_of_what_is_not_there() -> None:
    assert not verify_inclusion(LEAVES[0], 1, 1, [], LEAVES[0])
    assert not verify_inclusion(LEAVES[0], -1, 1, [], LEAVES[0])
    assert not verify_consistency(0, 1, [], hash_empty(), LEAVES[0])
    assert not verify_consistency(3, 2, [], LEAVES[0], LEAVES[0])
    assert not verify_consistency(3, 5, [], LEAVES[0], LEAVES[0])
    with pytest.raises(ValueError, match="leaf 8 of a tree of 8"):
        prove_inclusion(8, 8, subtree_of(LEAVES))
    with pytest.raises(ValueError, match="consistency between 9 and 8"):
        prove_consistency(9, 8, subtree_of(LEAVES))
