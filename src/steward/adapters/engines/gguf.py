"""What a GGUF file says of itself: its keys and values, without its tensors.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian. Ours because the
`gguf` package comes with the extra `train` only and maps the whole file; this reads the head.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from steward.core.errors import InputError

_SCALARS: Final = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING: Final = 8
_ARRAY: Final = 9
_LONGEST: Final = 1 << 28  # bytes or entries of one value: a file that claims more is broken


class GgufHead(msgspec.Struct, frozen=True):
    """The keys, but for arrays; `tokenizer_sha256` is over all `tokenizer.ggml.*` keys and values as stored."""

    values: dict[str, Any]
    tokenizer_sha256: str

    def context_length(self) -> int | None:
        length = self.values.get(f"{self.values.get('general.architecture')}.context_length")
        return length if isinstance(length, int) else None

    def prefix_token(self) -> int | None:
        """What stands before a text's first token: BOS, else EOS (lm-evaluation-harness's rule)."""
        for name in ("bos", "eos"):
            token = self.values.get(f"tokenizer.ggml.{name}_token_id")
            if isinstance(token, int):
                return token
        return None


def read_gguf_head(path: Path) -> GgufHead:
    """:raises InputError: not readable, not GGUF of version 2 or 3, or cut off"""
    try:
        with path.open("rb") as file:
            return _head(file, path)
    except OSError as error:
        raise InputError(f"model file {path}: {error.strerror}; expected a readable GGUF file") from error
    except (struct.error, UnicodeDecodeError, KeyError) as error:
        raise InputError(f"model file {path}: its head is broken or cut off ({error}); is the file whole?") from error


def _head(file: BinaryIO, path: Path) -> GgufHead:
    magic, version = file.read(4), _scalar(file, "<I")
    if magic != b"GGUF" or version not in (2, 3):
        raise InputError(f"model file {path}: {magic!r} version {version}, expected b'GGUF' version 2 or 3")
    _scalar(file, "<Q")  # tensors
    digest, values = hashlib.sha256(), {}
    for _ in range(_scalar(file, "<Q")):
        start = file.tell()
        key = _bytes(file).decode()
        kind = _scalar(file, "<I")
        value = _value(file, kind)
        if kind != _ARRAY:
            values[key] = value.decode("utf-8", "replace") if kind == _STRING else value
        if key.startswith("tokenizer.ggml."):
            end = file.tell()
            file.seek(start)
            digest.update(file.read(end - start))
    return GgufHead(values, digest.hexdigest())


def _value(file: BinaryIO, kind: int) -> Any:
    """A scalar, a string's bytes, or None for an array, which is passed over."""
    if kind == _STRING:
        return _bytes(file)
    if kind != _ARRAY:
        return _scalar(file, _SCALARS[kind])
    inner, count = _scalar(file, "<I"), _check_count(_scalar(file, "<Q"))
    if inner in _SCALARS:
        file.seek(count * struct.calcsize(_SCALARS[inner]), 1)
    else:
        for _ in range(count):
            _value(file, inner)
    return None


def _bytes(file: BinaryIO) -> bytes:
    length = _check_count(_scalar(file, "<Q"))
    data = file.read(length)
    if len(data) < length:
        raise struct.error(f"{len(data)} of {length} bytes")
    return data


def _check_count(count: int) -> int:
    if count > _LONGEST:
        raise struct.error(f"a value of {count} entries")
    return count


def _scalar(file: BinaryIO, form: str) -> Any:
    return struct.unpack(form, file.read(struct.calcsize(form)))[0]
