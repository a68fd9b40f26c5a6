"""py3langid's model, unpacked once for all processes of a user.

The package holds it as 5 MB of LZMA, which take each process a quarter of a second to unpack. Here they are unpacked
into a file in the user's cache folder (`XDG_CACHE_HOME`, else `~/.cache`), named by the digest of what was packed.
Processes map it, and so share it. Where no file can be written, each process unpacks for itself.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import xxhash
from numpy.typing import NDArray

from steward.core.files import make_private_folder, open_private, replace_file

_ARRAYS = {"table": "<f2", "prior": "<f4", "transitions": "<u4", "rows": "<u4", "outputs": "<i4"}
_SCHEMA = pa.schema([("labels", pa.list_(pa.string())), *((name, pa.large_binary()) for name in _ARRAYS)])


class LanguageModel(NamedTuple):
    """Naive Bayes over the features that an automaton finds in the bytes of a text (Lui and Baldwin 2012)."""

    labels: list[str]  # one may come twice: scripts of one language
    table: NDArray[np.float16]  # (features, labels) log probabilities
    prior: NDArray[np.float32]  # (labels,)
    transitions: NDArray[np.uint32]  # (rows * 256,) the next state by row and byte
    rows: NDArray[np.uint32]  # (states,) the row of each
    outputs: NDArray[np.int32]  # (states,) the feature that is found on entering it, or -1


def load_identifier() -> Any:
    """py3langid's `LanguageIdentifier`, with probabilities."""
    from py3langid.langid import MODEL_DIR, MODEL_FILE, LanguageIdentifier

    model = load_model(Path(MODEL_DIR) / MODEL_FILE)
    transitions, rows = model.transitions.data, model.rows.data  # as quick as arrays, and shared
    outputs = model.outputs.tolist()
    return LanguageIdentifier(
        model.table, model.prior, model.labels, transitions, outputs, norm_probs=True, tk_row=rows
    )


def load_model(packed: Path) -> LanguageModel:
    """What the package holds in the file `packed`, from the cache folder if it is there."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    if not folder.is_absolute():  # nobody's home is known
        return _unpack_model(packed)
    cached = folder / "steward" / f"language-model-{xxhash.xxh3_128_hexdigest(packed.read_bytes())}.arrow"
    try:
        return _read_model(cached)
    except (OSError, ValueError, pa.ArrowException):
        model = _unpack_model(packed)
    try:
        _write_model(model, cached)
    except OSError:
        return model
    return _read_model(cached)


def _unpack_model(packed: Path) -> LanguageModel:
    from py3langid.modelio import load_model as unpack

    table, prior, labels, transitions, rows, outputs = unpack(packed)
    arrays = dict(table=table, prior=prior, transitions=transitions, rows=rows, outputs=outputs)
    return LanguageModel(labels, **{name: np.asarray(arrays[name]).astype(_ARRAYS[name]) for name in _ARRAYS})


def _write_model(model: LanguageModel, path: Path) -> None:
    make_private_folder(path.parent)
    values = {name: [getattr(model, name).tobytes()] for name in _ARRAYS}
    batch = pa.record_batch({"labels": [model.labels], **values}, _SCHEMA)
    with replace_file(path, durable=True) as temporary, open_private(temporary, "wb") as opened:
        with pa.ipc.new_file(opened, _SCHEMA) as writer:
            writer.write_batch(batch)


def _read_model(path: Path) -> LanguageModel:
    """:raises OSError, ValueError, ArrowException: no such file, or none that `_write_model` wrote"""
    reader = pa.ipc.open_file(pa.memory_map(str(path)))
    if reader.schema != _SCHEMA or reader.num_record_batches != 1:
        raise ValueError(f"{path} is no language model")
    batch = reader.get_batch(0)
    labels = batch["labels"][0].as_py()
    arrays = {name: np.frombuffer(batch[name][0].as_buffer(), kind) for name, kind in _ARRAYS.items()}
    table = arrays.pop("table")
    return LanguageModel(labels, table.reshape(len(table) // len(labels), len(labels)), **arrays)
