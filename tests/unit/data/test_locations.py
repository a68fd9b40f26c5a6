from pathlib import Path

import pytest

from steward.core.errors import InputError
from steward.data.locations import is_remote, open_location, require_store, resolve_location


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("s3://b/a.jsonl", True), ("gs://b", True), ("hf://datasets/x/y", True), ("memory://a", True),
        ("zip://a.jsonl::s3://b/c.zip", True), ("simplecache::s3://b/a", True), ("/data/a.jsonl", False),
        ("a.jsonl", False),
        ("C://x", False), ("x://y", False), ("a:b", False), ("~/a.jsonl", False),
    ],
)  # fmt: skip
def test_addresses_are_told_from_paths(path: str, expected: bool) -> None:
    assert is_remote(path) is expected


def test_paths_are_relative_to_the_base_and_addresses_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    base = Path("/data")
    assert resolve_location(base, "a/*.jsonl") == "/data/a/*.jsonl"
    assert resolve_location(base, "/b.jsonl") == "/b.jsonl"
    assert resolve_location(base, "~/c.jsonl") == "/home/me/c.jsonl"
    assert resolve_location(base, "s3://bucket/d.jsonl") == "s3://bucket/d.jsonl"


def test_a_file_here_needs_no_store(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    with open_location(str(tmp_path / "a"), None) as opened:
        assert opened.read() == b"x"
    with pytest.raises(InputError, match=r"s3://b/a: no store for addresses .*FsspecStore"):
        require_store("s3://b/a", None)
