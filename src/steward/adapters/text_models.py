"""Classifiers that users bring: fastText's `.bin` and `.ftz`, and ONNX (extra `classifiers`).

An ONNX model either takes texts (as scikit-learn's pipelines do when they are exported) or the numbers of a tokenizer
(as transformers do): then `tokenizer` names its `tokenizer.json`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from steward.adapters.tokenizers import load_tokenizer
from steward.core.errors import InputError
from steward.core.excerpts import cut_reason
from steward.core.extras import install_command

_TEXTS_AT_ONCE = 32
_LONGEST = 512  # tokens of a text that a model of tokens is shown


def make_text_model(file: str, label: str, tokenizer: str | None) -> FastTextModel | OnnxModel:
    """By the end of the file's name. `label`: whose probability is the score, or the number of ONNX's output."""
    return OnnxModel(file, label, tokenizer) if file.endswith(".onnx") else FastTextModel(file, label)


class FastTextModel(msgspec.Struct, frozen=True):
    """See `TextClassifier`. Line ends are blanks, since fastText takes a line for a text."""

    file: str
    label: str

    def score(self, texts: Sequence[str]) -> list[float]:
        """:raises InputError: no such file, no model, or no such label"""
        model = _load_fasttext(self.file)
        wanted = self.label if self.label.startswith("__label__") else f"__label__{self.label}"
        if wanted not in model.get_labels():
            known = ", ".join(name.removeprefix("__label__") for name in model.get_labels()[:10])
            raise InputError(f"classifier {self.file}: no label {self.label!r}; it has {known}")
        return [_find_probability(model, " ".join(text.split()), wanted) for text in texts]


def _find_probability(model: Any, text: str, label: str) -> float:
    labels, values = model.predict(text, k=-1)
    return float(min(max(dict(zip(labels, values, strict=True)).get(label, 0.0), 0.0), 1.0))


@cache
def _load_fasttext(file: str) -> Any:
    try:
        import fasttext
    except ModuleNotFoundError as error:
        raise InputError(f"classifier {file} needs fasttext; {install_command('classifiers')}") from error
    if not Path(file).is_file():
        raise InputError(f"no file {file!r}; expected a classifier: .npz, .bin, .ftz or .onnx")
    try:
        return fasttext.load_model(file)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"classifier {file}: fastText cannot load it ({error})") from None


class OnnxModel(msgspec.Struct, frozen=True):
    """See `TextClassifier`. The last output that is an array of numbers counts, as probabilities or logits."""

    file: str
    label: str
    tokenizer: str | None = None

    def score(self, texts: Sequence[str]) -> list[float]:
        """:raises InputError: no such file, no model, no such label, or a tokenizer is missing"""
        scores: list[float] = []
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            scores += self._score_some(list(texts[start : start + _TEXTS_AT_ONCE]))
        return scores

    def _score_some(self, texts: list[str]) -> list[float]:
        session = _load_onnx(self.file)
        outputs = session.run(None, self._make_inputs(session, texts))
        arrays = [out for out in outputs if isinstance(out, np.ndarray) and np.issubdtype(out.dtype, np.floating)]
        if not arrays:
            raise InputError(f"classifier {self.file}: no output is an array of numbers; export it without ZipMap")
        values = np.asarray(arrays[-1], np.float64).reshape(len(texts), -1)
        return _pick_label(_to_probabilities(values), self.label, self.file)

    def _make_inputs(self, session: Any, texts: list[str]) -> dict[str, Any]:
        inputs = session.get_inputs()
        if inputs[0].type == "tensor(string)":
            shape = (len(texts), 1) if len(inputs[0].shape) == 2 else (len(texts),)
            return {inputs[0].name: np.array(texts, object).reshape(shape)}
        if self.tokenizer is None:
            raise InputError(f"classifier {self.file} takes tokens; name its tokenizer.json as tokenizer")
        encoded = _load_padding(self.tokenizer).encode_batch(texts)
        columns = {
            "input_ids": [one.ids for one in encoded],
            "attention_mask": [one.attention_mask for one in encoded],
            "token_type_ids": [one.type_ids for one in encoded],
        }
        if unknown := [one.name for one in inputs if one.name not in columns]:
            raise InputError(f"classifier {self.file} has an input {unknown[0]!r}; expected {', '.join(columns)}")
        return {one.name: np.array(columns[one.name], np.int64) for one in inputs}


def _to_probabilities(values: Any) -> Any:
    """Rows that add up to 1 are probabilities already; others are logits, of one label by itself or of several."""
    if values.shape[1] == 1:
        is_probability = ((values >= 0) & (values <= 1)).all()
        one = values if is_probability else 1 / (1 + np.exp(-values))
        return np.concatenate([1 - one, one], axis=1)
    if (values >= 0).all() and np.allclose(values.sum(axis=1), 1, atol=1e-3):
        return values
    shifted = np.exp(values - values.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def _pick_label(values: Any, label: str, file: str) -> list[float]:
    if not label.isdecimal() or int(label) >= values.shape[1]:
        raise InputError(
            f"classifier {file}: label {label!r}; expected the number of an output, 0 to {values.shape[1] - 1}"
        )
    return [float(min(max(value, 0.0), 1.0)) for value in values[:, int(label)]]


@cache
def _load_onnx(file: str) -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise InputError(f"classifier {file} needs onnxruntime; {install_command('classifiers')}") from error
    if not Path(file).is_file():
        raise InputError(f"no file {file!r}; expected a classifier: .npz, .bin, .ftz or .onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # a run has a process for each core
    try:
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except _list_onnx_errors() as error:
        raise InputError(f"classifier {file}: ONNX Runtime cannot load it ({cut_reason(error)})") from None


def _list_onnx_errors() -> tuple[type[Exception], ...]:
    """Of loading; they share no base of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = (
        "Fail",
        "InvalidArgument",
        "InvalidGraph",
        "InvalidProtobuf",
        "NoModel",
        "NotImplemented",
        "RuntimeException",
    )
    return tuple(getattr(state, name) for name in names)


@cache
def _load_padding(path: str) -> Any:
    tokenizer = load_tokenizer(Path(path))
    tokenizer.enable_truncation(_LONGEST)
    tokenizer.enable_padding()
    return tokenizer
