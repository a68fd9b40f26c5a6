#!/usr/bin/env python3
"""Verify a steward audit log without steward.

    python3 verify_audit.py HOME/audit [--key 'NAME+ID+KEY'] [--head FILE]
    python3 verify_audit.py --proof FILE --entry FILE --key 'NAME+ID+KEY'
    python3 verify_audit.py --consistency FILE --head FILE --key 'NAME+ID+KEY'
    python3 verify_audit.py PACK.zip [--key 'NAME+ID+KEY']

One file, Python 3.10 and its standard library only, to be read before it is trusted. Of a log it checks the signature
of the newest checkpoint (Ed25519, RFC 8032), every entry against its hash, every tile against the one below, the root
over all (RFC 6962), and every head that is kept beside the log. `--key` is the log's public key as you noted it when
the log began; without it the key that lies beside the log is used, which proves less. `--head` is a checkpoint, or a
file of several, that was kept elsewhere: the log must begin with it. `--proof` shows that one entry is in the log, and
`--consistency` that the log goes on where an older head ended (RFC 9162), both without the log itself. Of an evidence
pack (`steward evidence pack`, where this file is named verify_pack.py) it checks the signature of the manifest, the
digest of every file, that no file was added, and the proof of every act.

Exit 0: intact. 1: altered. 2: not a log. 3: intact, but no head from elsewhere was given, so that a rollback of the
folder could not be seen, or no key for a pack, so that a pack that somebody else signed could not be seen.
"""

from __future__ import annotations

import argparse
import base64
import functools
import hashlib
import json
import pathlib
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator

Point = tuple[int, int, int, int]

P = 2**255 - 19
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
ORDER = 2**252 + 27742317777372353535851937790883648493


class Altered(Exception):
    """The log is not what its checkpoint says."""


# -- Ed25519, RFC 8032 section 6 ------------------------------------------------------------------------


def add(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


@functools.lru_cache(maxsize=4)
def make_table(point: Point) -> list[list[Point]]:
    """Row r, column c: c times 16^r times the point, so that a multiplication is 64 additions."""
    rows = []
    for _ in range(64):
        row: list[Point] = [(0, 1, 1, 0)]
        for _ in range(15):
            row.append(add(row[-1], point))
        rows.append(row)
        point = add(row[-1], point)
    return rows


def multiply(scalar: int, point: Point) -> Point:
    result: Point = (0, 1, 1, 0)
    for row in make_table(point):
        result, scalar = add(result, row[scalar & 15]), scalar >> 4
    return result


def find_x(y: int, sign: int) -> int | None:
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
BASE_X = find_x(BASE_Y, 0) or 0
BASE: Point = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def decode_point(data: bytes) -> Point | None:
    number = int.from_bytes(data, "little")
    y = number & ((1 << 255) - 1)
    x = find_x(y, number >> 255)
    return None if x is None else (x, y, 1, x * y % P)


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    a, r, s = decode_point(public), decode_point(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= ORDER or len(signature) != 64:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    left, right = multiply(s, BASE), add(r, multiply(int.from_bytes(digest, "little") % ORDER, a))
    return not (left[0] * right[2] - right[0] * left[2]) % P and not (left[1] * right[2] - right[1] * left[2]) % P


# -- checkpoints ----------------------------------------------------------------------------------------


def decode(encoded: str) -> bytes:
    """Base64 in its one spelling."""
    data = base64.b64decode(encoded, validate=True)
    if base64.b64encode(data).decode() != encoded:
        raise Altered("base64 that no encoder writes")
    return data


@functools.lru_cache(maxsize=4)
def open_note(note: str, verifier: str) -> tuple[int, bytes]:
    """(size, root) of a checkpoint that the key has signed."""
    lines = open_text(note, verifier).split("\n")
    return int(lines[1]), decode(lines[2])


def open_text(note: str, verifier: str) -> str:
    """The text that the key has signed."""
    name, identifier, encoded = verifier.removesuffix("\n").split("+", 2)
    key = decode(encoded)
    if hashlib.sha256(name.encode() + b"\n" + key).hexdigest()[:8] != identifier:
        raise Altered("the public key does not fit its own id")
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    for line in signatures.split("\n") if note.endswith("\n") else ():
        if line.startswith(f"\u2014 {name} "):
            signature = decode(line.removeprefix(f"\u2014 {name} "))
            if signature[:4].hex() == identifier and is_signed(key[1:], text.encode(), signature[4:]):
                return text
    raise Altered(f"the signed text carries no valid signature of {name}")


def open_notes(text: str, verifier: str) -> list[tuple[int, bytes]]:
    """Of a file in which notes follow one another."""
    blocks = text.strip("\n").split("\n\n") if text.strip("\n") else []
    pairs = zip(blocks[::2], blocks[1::2], strict=False)
    return [open_note(f"{text}\n\n{signatures}\n", verifier) for text, signatures in pairs]


# -- tree -----------------------------------------------------------------------------------------------


def leaf(entry: bytes) -> bytes:
    return hashlib.sha256(b"\0" + entry).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(hashes: Iterable[bytes]) -> bytes:
    """Root over any number of leaf hashes."""
    return [hashlib.sha256(b"").digest(), *roots_of(hashes, None)][-1]


def roots_of(hashes: Iterable[bytes], sizes: set[int] | None) -> Iterator[bytes]:
    """The root over the first n leaf hashes, for each n in `sizes`, rising; None: over all of them."""
    stack: list[bytes] = []
    size = 0
    for size, current in enumerate(hashes, 1):
        count = size
        while count & 1 == 0:
            current, count = node(stack.pop(), current), count >> 1
        stack.append(current)
        if sizes is not None and size in sizes:
            yield fold(stack)
    if sizes is None and size:
        yield fold(stack)


def fold(stack: list[bytes]) -> bytes:
    """The root over full subtrees of falling size."""
    root = stack[-1]
    for left in reversed(stack[:-1]):
        root = node(left, root)
    return root


def tile_name(index: int) -> str:
    name = f"{index % 1000:03d}"
    while index >= 1000:
        index //= 1000
        name = f"x{index % 1000:03d}/{name}"
    return name


def read_tile(folder: pathlib.Path, level: int | str, index: int, width: int) -> bytes:
    full = folder / "tile" / str(level) / tile_name(index)
    partial = full.with_name(full.name + ".p") / str(width)
    path = full if width == 256 or not partial.exists() else partial
    if not path.exists():
        raise Altered(f"{path} is missing")
    return path.read_bytes()


def unpack(bundle: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(bundle):
        end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
        if end > len(bundle):
            raise Altered("a bundle of entries is cut off")
        yield bundle[at + 2 : end]
        at = end


def leaf_hashes(folder: pathlib.Path, size: int) -> list[bytes]:
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


def check_upper_tiles(folder: pathlib.Path, hashes: list[bytes]) -> None:
    row, level = hashes, 1
    while len(row) >= 256:
        row = [root_of(row[at : at + 256]) for at in range(0, len(row) - 255, 256)]
        for index in range(-(-len(row) // 256)):
            part = row[index * 256 : index * 256 + 256]
            if read_tile(folder, level, index, len(part))[: 32 * len(part)] != b"".join(part):
                raise Altered(f"tile {index} of level {level} does not fit the entries below it")
        level += 1


# -- proofs ---------------------------------------------------------------------------------------------


def read_hashes(lines: list[str]) -> list[bytes]:
    return [decode(line) for line in lines]


def climb(old: int, new: int, path: list[bytes], old_seen: bytes, new_seen: bytes) -> tuple[bytes, bytes]:
    """The roots that a path leads to (RFC 9162, 2.1.3.2 and 2.1.4.2): from leaf or subtree `old` of `new` + 1."""
    for sibling in path:
        if new == 0:
            raise Altered("the proof is too long")
        if old & 1 or old == new:
            old_seen, new_seen = node(sibling, old_seen), node(sibling, new_seen)
            while not old & 1 and old:
                old, new = old >> 1, new >> 1
        else:
            new_seen = node(new_seen, sibling)
        old, new = old >> 1, new >> 1
    if new:
        raise Altered("the proof is too short")
    return old_seen, new_seen


def check_proof(proof: str, entry: bytes, verifier: str) -> str:
    """C2SP tlog-proof: the entry stands at an index of the log."""
    body, _, checkpoint = proof.partition("\n\n")
    lines = body.split("\n")
    if lines[0] != "c2sp.org/tlog-proof@v1" or not lines[1].startswith("index "):
        raise ValueError("not a proof")
    size, root = open_note(checkpoint, verifier)
    index = int(lines[1].removeprefix("index "))
    if not 0 <= index < size or climb(index, size - 1, read_hashes(lines[2:]), b"", leaf(entry))[1] != root:
        raise Altered("the proof is not of this entry")
    return f"intact: entry {index} of {size}"


def check_consistency(proof: str, head: str, verifier: str) -> str:
    """As witnesses get it (C2SP tlog-witness): `old N`, hashes, an empty line, the newer checkpoint."""
    body, _, checkpoint = proof.partition("\n\n")
    lines = body.split("\n")
    (new, new_root), (old, old_root) = open_note(checkpoint, verifier), open_notes(head, verifier)[-1]
    path = read_hashes(lines[1:])
    if lines[0] != f"old {old}" or not 0 < old <= new:
        raise Altered(f"the proof is not from the head of {old} entries on")
    if old == new:
        seen = (old_root, old_root) if not path else (b"", b"")
    else:
        path = [old_root, *path] if old & (old - 1) == 0 else path
        shift = ((old & -old).bit_length() - 1) if path else 0
        seen = climb((old - 1) >> shift, (new - 1) >> shift, path[1:], path[0], path[0])
    if seen != (old_root, new_root):
        raise Altered(f"the head of {new} entries does not go on where that of {old} ended")
    return f"intact: the head of {new} entries goes on where that of {old} ended"


def check_log(folder: pathlib.Path, note: str, known: list[str], verifier: str) -> str:
    size, root = open_note(note, verifier)
    hashes = leaf_hashes(folder, size)
    check_upper_tiles(folder, hashes)
    if root_of(hashes) != root:
        raise Altered("the entries do not give the root that was signed")
    history = folder / "checkpoints"
    kept = history.read_bytes().decode("utf-8", "replace") if history.exists() else ""
    past = open_notes(kept, verifier)
    blocks = kept.split("\n\n")
    if len(blocks) % 2 == 0 or blocks[-1] or any(block.startswith("\n") for block in blocks):
        raise Altered("the file of older heads holds more or less than notes")
    sizes = [old_size for old_size, _ in past]
    if sizes != sorted(sizes):
        raise Altered("heads that are kept beside the log shrink")
    heads = past + [head for text in known for head in open_notes(text, verifier)]
    wanted = sorted({old_size for old_size, _ in heads if 0 < old_size <= size})
    roots = dict(zip(wanted, roots_of(hashes, set(wanted)), strict=True))
    for old_size, old_root in heads:
        if roots.get(old_size, root_of(())) != old_root or old_size > size:
            raise Altered(f"the log does not begin with the signed head of {old_size} entries")
    return f"intact: {size} entries"


# -- evidence packs -------------------------------------------------------------------------------------

PACK = "steward evidence pack"
MANIFEST, SIGNATURE, PACK_KEY = "manifest.json", "manifest.sig", "audit/key.pub"
PACK_HEAD, PACK_ACTS = "audit/checkpoint", "audit/acts.jsonl"
PACK_DATE = (1980, 1, 1, 0, 0, 0)
LARGEST_MANIFEST = 64 << 20


DAMAGED = (Altered, ValueError, IndexError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


def read_pack_key(path: pathlib.Path) -> str:
    """The key that lies in the pack itself, which whoever altered the pack could have replaced."""
    with zipfile.ZipFile(path) as pack:
        check_envelope(pack, path)
        return read_member(pack, PACK_KEY, LARGEST_MANIFEST).decode("utf-8", "replace").removesuffix("\n")


def check_pack(path: pathlib.Path, verifier: str) -> tuple[int, int]:
    """Of an intact pack, how many files are signed and how many acts are proved to be in the audit log."""
    try:
        with zipfile.ZipFile(path) as pack:
            return check_members(pack, path, verifier)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Altered(f"the pack does not have the form of one: {error!r}") from error


def check_members(pack: zipfile.ZipFile, path: pathlib.Path, verifier: str) -> tuple[int, int]:
    check_envelope(pack, path)
    manifest = read_member(pack, MANIFEST, LARGEST_MANIFEST)
    signature = read_member(pack, SIGNATURE, 1 << 16).decode("utf-8", "replace")
    if open_text(signature, verifier) != f"{PACK}\nsha256:{hashlib.sha256(manifest).hexdigest()}\n":
        raise Altered("manifest.json is not the one that was signed")
    files = json.loads(manifest)["files"]
    names = [info.filename for info in pack.infolist()]
    if len(set(names)) < len(names):
        raise Altered("a name stands twice in the archive")
    strange = sorted({*files, MANIFEST, SIGNATURE} ^ set(names))
    if strange:
        raise Altered(f"{strange[0]} is missing, or was added")
    for name, wanted in files.items():
        if hashlib.sha256(read_member(pack, name, wanted["bytes"])).hexdigest() != wanted["sha256"]:
            raise Altered(f"{name} was changed")
    if read_member(pack, PACK_KEY, 1 << 16).decode().removesuffix("\n") != verifier.removesuffix("\n"):
        raise Altered("the key in the pack is another one")
    return len(files), check_acts(pack, files, verifier)


def check_envelope(pack: zipfile.ZipFile, path: pathlib.Path) -> None:
    """Nothing hides beside the files, where the digests do not reach."""
    with path.open("rb") as file:
        first = file.read(4)
        file.seek(-22, 2)
        last = file.read(4)
    infos = pack.infolist()
    if first != b"PK\3\4" or last != b"PK\5\6" or pack.comment or not infos or infos[0].header_offset:
        raise Altered("something was put before or after the archive, or into its comment")
    for info in infos:
        strange = info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        if info.comment or info.extra or info.date_time != PACK_DATE or info.is_dir() or strange:
            raise Altered(f"{info.filename}: its entry of the archive was changed")


def read_member(pack: zipfile.ZipFile, name: str, most: int) -> bytes:
    if name not in pack.namelist():
        raise Altered(f"{name} is missing")
    with pack.open(name) as member:
        data = member.read(most + 1)
    if len(data) > most:
        raise Altered(f"{name} is longer than it was")
    return data


def check_acts(pack: zipfile.ZipFile, files: dict[str, dict[str, int]], verifier: str) -> int:
    """Each line: an entry of the audit log as it stands there, and the proof that it does, less the checkpoint."""
    head = read_member(pack, PACK_HEAD, 1 << 16).decode()
    open_note(head, verifier)
    count = 0
    for line in read_member(pack, PACK_ACTS, files[PACK_ACTS]["bytes"]).splitlines():
        act = json.loads(line)
        check_proof(f"{act['proof']}\n\n{head}", act["entry"].encode(), verifier)
        count += 1
    return count


def report_pack(path: pathlib.Path, key: str | None) -> int:
    """Exit code, after what was found is printed."""
    try:
        files, acts = check_pack(path, key or read_pack_key(path))
    except OSError as error:
        sys.stderr.write(f"{path}: {error.strerror or error}\n")
        return 2
    except DAMAGED as error:
        sys.stdout.write(f"ALTERED: {error}\n")
        return 1
    alone = "" if key else "; no key was given to compare with the one in the pack"
    sys.stdout.write(f"intact: {files} files, {acts} acts of the audit log{alone}\n")
    return 0 if key else 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, nargs="?", help="audit folder of a home, a copy of it, or a pack")
    parser.add_argument("--key", help="the log's public key, as you noted it")
    parser.add_argument("--head", type=pathlib.Path, action="append", default=[], help="a checkpoint kept elsewhere")
    parser.add_argument("--proof", type=pathlib.Path, help="a .tlog-proof, to be checked with --entry and --key")
    parser.add_argument("--entry", type=pathlib.Path, help="the entry that the proof is of")
    parser.add_argument("--consistency", type=pathlib.Path, help="a proof, to be checked with --head and --key")
    asked = parser.parse_args()
    of_proof = (asked.proof and asked.entry) or (asked.consistency and asked.head)
    if asked.folder is None and not (asked.key and of_proof):
        parser.error("give the log's folder, or --key with --proof and --entry or with --consistency and --head")
    if asked.folder is not None and asked.folder.is_file():
        return report_pack(asked.folder, asked.key)
    try:
        verifier = asked.key or (asked.folder / "key.pub").read_bytes().decode("utf-8", "replace")
        known = [path.read_text(encoding="utf-8") for path in asked.head]
        if asked.proof is not None:
            said = check_proof(asked.proof.read_text(encoding="utf-8"), asked.entry.read_bytes(), verifier)
        elif asked.consistency is not None:
            said = check_consistency(asked.consistency.read_text(encoding="utf-8"), known[0], verifier)
        else:
            note = (asked.folder / "checkpoint").read_bytes().decode("utf-8", "replace")
            said = check_log(asked.folder, note, known, verifier)
    except OSError as error:
        sys.stderr.write(f"{error.filename}: {error.strerror}\n")
        return 2
    except (Altered, ValueError, IndexError) as error:
        sys.stdout.write(f"ALTERED: {error}\n")
        return 1
    compared = bool(known) or asked.proof is not None
    sys.stdout.write(said + ("\n" if compared else "; no head from elsewhere was given to compare with\n"))
    return 0 if compared else 3


if __name__ == "__main__":
    sys.exit(main())
