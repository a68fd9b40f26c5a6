#!/usr/bin/env python3
"""Verify a steward audit log without steward: python3 verify_audit.py HOME/audit [--key 'NAME+ID+KEY'] [--head FILE]

One file, Python's standard library only. Checks the signature of the newest checkpoint (Ed25519, RFC 8032), every entry
against its hash, every tile against the one below, and the root over all (RFC 6962). `--key` is the log's public key as
you noted it when the log began; without it the key that lies beside the log is used, which proves less. `--head` is a
checkpoint that you kept elsewhere: the log must begin with it. Exit 0: intact. 1: altered. 2: not a log.
3: intact, but no head from elsewhere was given, so that a rollback of the whole folder could not be seen.
"""

import argparse
import base64
import hashlib
import pathlib
import sys

P = 2**255 - 19
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
ORDER = 2**252 + 27742317777372353535851937790883648493


class Altered(Exception):
    """The log is not what its checkpoint says."""


# -- Ed25519, RFC 8032 section 6 ------------------------------------------------------------------------


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(scalar, point):
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def find_x(y, sign):
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if square == 0:
        return None if sign else 0
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P:
        return None
    return P - x if (x & 1) != sign else x


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = find_x(BASE_Y, 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def decode_point(data):
    number = int.from_bytes(data, "little")
    y = number & ((1 << 255) - 1)
    x = find_x(y, number >> 255)
    return None if x is None else (x, y, 1, x * y % P)


def is_signed(public, message, signature):
    a, r, s = decode_point(public), decode_point(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= ORDER or len(signature) != 64:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    left, right = multiply(s, BASE), add(r, multiply(int.from_bytes(digest, "little") % ORDER, a))
    return not (left[0] * right[2] - right[0] * left[2]) % P and not (left[1] * right[2] - right[1] * left[2]) % P


# -- checkpoints ----------------------------------------------------------------------------------------


def open_note(note, verifier):
    """(size, root) of a checkpoint that the key has signed."""
    name, identifier, encoded = verifier.strip().split("+", 2)
    key = base64.b64decode(encoded)
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    for line in signatures.splitlines():
        if line.startswith(f"\u2014 {name} "):
            signature = base64.b64decode(line.rsplit(" ", 1)[1])
            if signature[:4].hex() == identifier and is_signed(key[1:], text.encode(), signature[4:]):
                lines = text.split("\n")
                return int(lines[1]), base64.b64decode(lines[2])
    raise Altered(f"the checkpoint carries no valid signature of {name}")


# -- tree -----------------------------------------------------------------------------------------------


def leaf(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(hashes):
    """Root over any number of leaf hashes, kept as full subtrees of falling size."""
    stack = []
    for count, current in enumerate(hashes, 1):
        while count & 1 == 0:
            current, count = node(stack.pop(), current), count >> 1
        stack.append(current)
    if not stack:
        return hashlib.sha256(b"").digest()
    root = stack.pop()
    while stack:
        root = node(stack.pop(), root)
    return root


def tile_name(index):
    name = f"{index % 1000:03d}"
    while index >= 1000:
        index //= 1000
        name = f"x{index % 1000:03d}/{name}"
    return name


def read_tile(folder, level, index, width):
    full = folder / "tile" / str(level) / tile_name(index)
    partial = full.with_name(full.name + ".p") / str(width)
    path = full if width == 256 or not partial.exists() else partial
    if not path.exists():
        raise Altered(f"{path} is missing")
    return path.read_bytes()


def unpack(bundle):
    at = 0
    while at < len(bundle):
        end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
        if end > len(bundle):
            raise Altered("a bundle of entries is cut off")
        yield bundle[at + 2 : end]
        at = end


def leaf_hashes(folder, size):
    """The hash of every entry, each checked against its tile."""
    hashes = []
    for bundle in range(-(-size // 256)):
        width = min(256, size - bundle * 256)
        tile = read_tile(folder, 0, bundle, width)
        entries = list(unpack(read_tile(folder, "entries", bundle, width)))[:width]
        if len(entries) < width:
            raise Altered(f"entries from {bundle * 256 + len(entries)} on are missing")
        for offset, entry in enumerate(entries):
            if leaf(entry) != tile[offset * 32 : offset * 32 + 32]:
                raise Altered(f"entry {bundle * 256 + offset} was changed")
            hashes.append(leaf(entry))
    return hashes


def check_upper_tiles(folder, hashes):
    row, level = hashes, 1
    while len(row) >= 256:
        row = [root_of(row[at : at + 256]) for at in range(0, len(row) - 255, 256)]
        for index in range(-(-len(row) // 256)):
            part = row[index * 256 : index * 256 + 256]
            if read_tile(folder, level, index, len(part))[: 32 * len(part)] != b"".join(part):
                raise Altered(f"tile {index} of level {level} does not fit the entries below it")
        level += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--key", help="the log's public key, as you noted it")
    parser.add_argument("--head", type=pathlib.Path, action="append", default=[], help="a checkpoint kept elsewhere")
    asked = parser.parse_args()
    try:
        verifier = asked.key or (asked.folder / "key.pub").read_text(encoding="utf-8")
        note = (asked.folder / "checkpoint").read_text(encoding="utf-8")
        known = [path.read_text(encoding="utf-8") for path in asked.head]
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    try:
        size, root = open_note(note, verifier)
        hashes = leaf_hashes(asked.folder, size)
        check_upper_tiles(asked.folder, hashes)
        if root_of(hashes) != root:
            raise Altered("the entries do not give the root that was signed")
        for old_size, old_root in (open_note(head, verifier) for head in known):
            if old_size > size or root_of(hashes[:old_size]) != old_root:
                raise Altered(f"the log does not begin with the head of {old_size} entries that you kept")
    except (Altered, ValueError, IndexError) as error:
        print(f"ALTERED: {error}")
        return 1
    print(f"intact: {size} entries" + ("" if known else "; no head from elsewhere was given to compare with"))
    return 0 if known else 3


if __name__ == "__main__":
    sys.exit(main())
