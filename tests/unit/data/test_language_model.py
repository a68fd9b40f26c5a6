"""The unpacked model is py3langid's own, whether it comes from the package or from the cache folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from py3langid.langid import MODEL_DIR, MODEL_FILE, LanguageIdentifier

from steward.data.language_model import _ARRAYS, _SCHEMA, LanguageModel, _read_model, load_identifier, load_model

PACKED = Path(MODEL_DIR) / MODEL_FILE
TEXTS = (
    "The weather was fine, so we walked along the river.", "Das Wetter war schön, wir gingen am Fluss entlang.",
    "Ово је тест на српском језику", "Ovo je test na srpskom jeziku", "这是一个测试。你呢？", "12345", "", "А",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "steward"


def assert_same(one: LanguageModel, other: LanguageModel) -> None:
    assert one.labels == other.labels
    for name in ("table", "prior", "transitions", "rows", "outputs"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


def test_the_identifier_is_the_librarys(folder: Path) -> None:
    theirs = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    for _ in ("unpacked", "cached"):
        ours = load_identifier()
        assert [ours.rank(text) for text in TEXTS] == [theirs.rank(text) for text in TEXTS]


def test_a_cached_file_is_private_and_a_broken_one_is_made_again(folder: Path) -> None:
    first = load_model(PACKED)
    (cached,) = folder.iterdir()
    assert cached.stat().st_mode & 0o777 == 0o600
    whole = cached.read_bytes()
    for broken in (b"", b"no arrow file", whole[: len(whole) // 2]):
        cached.unlink()  # the model above still maps it
        cached.write_bytes(broken)
        assert_same(load_model(PACKED), first)
        assert cached.stat().st_size == len(whole)


@pytest.mark.parametrize("kind", ["nothing", "two models", "something else"])
def test_an_arrow_file_of_another_kind_is_no_model(tmp_path: Path, kind: str) -> None:
    """So that it is made again, whatever a cache folder holds under its name."""
    model = pa.record_batch({"labels": [["en"]], **{name: [b""] for name in _ARRAYS}}, _SCHEMA)
    other = pa.record_batch({"labels": [["en"]]})
    batches = {"nothing": [], "two models": [model, model], "something else": [other]}[kind]
    with pa.ipc.new_file(str(tmp_path / "m.arrow"), batches[0].schema if batches else _SCHEMA) as writer:
        for batch in batches:
            writer.write_batch(batch)
    with pytest.raises(ValueError, match="no language model"):
        _read_model(tmp_path / "m.arrow")


def test_without_a_folder_to_write_to_the_model_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    for base in (str(tmp_path / "file"), "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", base)
        assert len(load_model(PACKED).labels) > 100
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
