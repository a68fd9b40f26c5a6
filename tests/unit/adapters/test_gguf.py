"""The head of a GGUF file: the shipped one's, and files that are none or broken."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from steward import starter
from steward.adapters.engines.gguf import read_gguf_head
from steward.core.errors import InputError


def string(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def test_the_shipped_model() -> None:
    """BOS is <|endoftext|>, number 0, as its model card and the harness say."""
    head = read_gguf_head(starter.path())
    assert (head.values["general.architecture"], head.context_length(), head.prefix_token()) == ("llama", 1024, 0)


def write(path: Path, eos: int, head: bytes = b"GGUF") -> Path:
    """By the format's description: two keys, an array of two strings and a number."""
    array = string("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + string("a") + string("b")
    number = string("tokenizer.ggml.eos_token_id") + struct.pack("<II", 4, eos)
    path.write_bytes(head + struct.pack("<IQQ", 3, 0, 2) + array + number)
    return path


def test_keys_arrays_and_the_tokenizers_hash(tmp_path: Path) -> None:
    one, other = (read_gguf_head(write(tmp_path / "m", eos)) for eos in (7, 8))
    assert one.values == {"tokenizer.ggml.eos_token_id": 7} and one.prefix_token() == 7
    assert one.context_length() is None and one.tokenizer_sha256 != other.tokenizer_sha256


def test_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="b'GGML' version 3, expected b'GGUF'"):
        read_gguf_head(write(tmp_path / "m", 7, b"GGML"))
    whole = write(tmp_path / "m", 7).read_bytes()
    for end in (3, 20, 40, len(whole) - 1):
        (tmp_path / "m").write_bytes(whole[:end])
        with pytest.raises(InputError, match="cut off"):
            read_gguf_head(tmp_path / "m")
    with pytest.raises(InputError, match="No such file"):
        read_gguf_head(tmp_path / "gone")
