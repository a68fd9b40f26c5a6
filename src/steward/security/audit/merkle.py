"""Merkle tree hashes and proofs (RFC 6962, section 2.1; verification as in RFC 9162, sections 2.1.3.2 and 2.1.4.2).

A tree of `size` leaves is a list of 32-byte hashes. `Subtree` hands out the hash of a full subtree, so that the
functions here need not know where hashes are kept. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final

HASH_BYTES: Final = 32
Subtree = Callable[[int, int], bytes]  # (level, index) → hash of leaves [index × 2^level, (index + 1) × 2^level)


def hash_leaf(entry: bytes) -> bytes:
    """Of one entry.

    >>> hash_leaf(b"").hex()[:16]
    '6e340b9cffb37a98'
    """
    return hashlib.sha256(b"\x00" + entry).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    """Of two subtrees that stand beside each other."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def hash_empty() -> bytes:
    """The root of a tree without leaves."""
    return hashlib.sha256(b"").digest()


def fold_roots(subtrees: Sequence[bytes]) -> bytes:
    """The root over full subtrees that follow one another, the largest first, each smaller than the one before."""
    if not subtrees:
        return hash_empty()
    root = subtrees[-1]
    for left in reversed(subtrees[:-1]):
        root = hash_node(left, root)
    return root


def reduce_full(hashes: Sequence[bytes]) -> bytes:
    """The root over a power of two of hashes."""
    row = list(hashes)
    while len(row) > 1:
        row = [hash_node(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]


def split_full(begin: int, end: int) -> list[tuple[int, int]]:
    """The full subtrees (level, index) that cover the leaves [begin, end) of an aligned range, the largest first.

    >>> split_full(0, 7)
    [(2, 0), (1, 2), (0, 6)]
    """
    tiles = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        tiles.append((level, begin >> level))
        begin += 1 << level
    return tiles


def compute_root(size: int, subtree: Subtree) -> bytes:
    """The root of the first `size` leaves."""
    return _range_root(0, size, subtree)


def _range_root(begin: int, end: int, subtree: Subtree) -> bytes:
    return fold_roots([subtree(level, index) for level, index in split_full(begin, end)])


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def prove_inclusion(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """The hashes that lead from leaf `index` to the root of `size` leaves, the lowest first.

    :raises ValueError: no such leaf
    """
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} of a tree of {size}")
    path: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(_range_root(middle, end, subtree))
            end = middle
        else:
            path.append(_range_root(begin, middle, subtree))
            begin = middle
    return path[::-1]


def prove_consistency(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """The hashes that show the tree of `old` leaves to be the beginning of that of `new`.

    :raises ValueError: `old` is not within 1 … `new`
    """
    if not 0 < old <= new:
        raise ValueError(f"consistency between {old} and {new} leaves")
    path: list[bytes] = []
    begin, end, whole = 0, new, True
    while old != end:
        middle = begin + _split(end - begin)
        if old <= middle:
            path.append(_range_root(middle, end, subtree))
            end = middle
        else:
            path.append(_range_root(begin, middle, subtree))
            begin, whole = middle, False
    if not whole:
        path.append(_range_root(begin, end, subtree))
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, path: Iterable[bytes], root: bytes) -> bool:
    """Whether the leaf's hash `leaf` stands at `index` of the tree with `root`."""
    if not 0 <= index < size:
        return False
    node, last, seen = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if node & 1 or node == last:
            seen = hash_node(sibling, seen)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            seen = hash_node(seen, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and seen == root


def verify_consistency(old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether the tree with `old_root` is the beginning of that with `new_root`."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    hashes = list(path)
    if old & (old - 1) == 0:
        hashes.insert(0, old_root)
    if not hashes:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old_seen = new_seen = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old_seen, new_seen = hash_node(sibling, old_seen), hash_node(sibling, new_seen)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new_seen = hash_node(new_seen, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and old_seen == old_root and new_seen == new_root
