import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from steward.adapters import text_models
from steward.adapters.text_models import FastTextModel, OnnxModel, _to_probabilities, make_text_model
from steward.core.errors import InputError
from steward.data import read_rows
from steward.workflows.curate import run_pipeline


@pytest.fixture
def fasttext_file(tmp_path: Path) -> str:
    """As fastText 0.9.2 writes a model (args.cc, dictionary.cc, densematrix.cc): of one dimension, `good` 1, `bad` -1;
    the output is 1 for `hq` and -1 for `lq`, so that `good` has the logits 1 and -1."""
    numbers = (1, 5, 1, 1, 5, 1, 3, 3, 0, 0, 0, 100)  # dim … wordNgrams, softmax, supervised, bucket, minn, maxn, rate
    head = struct.pack("<2i12id", 793712314, 12, *numbers, 1e-4)
    entries = [("good", 0), ("bad", 0), ("__label__hq", 1), ("__label__lq", 1)]
    words = b"".join(word.encode() + b"\0" + struct.pack("<qb", 9, kind) for word, kind in entries)
    dictionary = struct.pack("<3i2q", 4, 2, 2, 36, -1) + words
    matrix = struct.pack("<?2q2f", False, 2, 1, 1.0, -1.0)
    (tmp_path / "m.bin").write_bytes(head + dictionary + matrix + matrix)
    return str(tmp_path / "m.bin")


def save(graph_nodes: list[Any], inputs: list[Any], outputs: list[Any], path: Path, initial: Any = ()) -> str:
    graph = helper.make_graph(graph_nodes, "g", inputs, outputs, list(initial))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))
    return str(path)


def save_text_model(path: Path) -> str:
    """Takes texts: `good` scores 0.9, anything else 0.1."""
    encoder = helper.make_node(
        "LabelEncoder",
        ["text"],
        ["score"],
        domain="ai.onnx.ml",
        keys_strings=["good"],
        values_floats=[0.9],
        default_float=0.1,
    )
    given = helper.make_tensor_value_info("text", TensorProto.STRING, [None, 1])
    return save([encoder], [given], [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])], path)


def save_token_model(path: Path) -> str:
    """Takes tokens: the logits are the sum of the ids and 0."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["floats", "axes"], ["sum"], keepdims=1),
        helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
        helper.make_node("Concat", ["sum", "nothing"], ["logits"], axis=1),
    ]
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    zero = helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0])
    given = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, [None, None])]
    return save(
        nodes, given, [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None, 2])], path, (axes, zero)
    )


def test_fasttext_scores_the_label_that_is_named(fasttext_file: str) -> None:
    """Softmax of 1 and -1 for `good`, of 0 and 0 for both words, whose vectors are averaged."""
    texts = ["good", "good\nbad", "bad"]
    high = 1 / (1 + np.exp(-2))
    assert make_text_model(fasttext_file, "hq", None).score(texts) == pytest.approx([high, 0.5, 1 - high], abs=1e-3)
    assert make_text_model(fasttext_file, "__label__lq", None).score(["bad"]) == pytest.approx([high], abs=1e-3)
    with pytest.raises(InputError, match="no label 'best'; it has hq, lq"):
        FastTextModel(fasttext_file, "best").score(["x"])


def test_onnx_takes_texts(tmp_path: Path) -> None:
    model = OnnxModel(save_text_model(tmp_path / "m.onnx"), "1")
    assert model.score(["good", "else"] * 40) == pytest.approx([0.9, 0.1] * 40)
    assert OnnxModel(model.file, "0").score(["good"]) == pytest.approx([0.1])
    with pytest.raises(InputError, match="label '2'; expected the number of an output, 0 to 1"):
        OnnxModel(model.file, "2").score(["good"])


def test_onnx_takes_tokens(tmp_path: Path) -> None:
    tokenizer = Tokenizer(WordLevel({"[PAD]": 0, "a": 1, "b": 2, "[UNK]": 3}, "[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    file = save_token_model(tmp_path / "m.onnx")
    scores = OnnxModel(file, "0", str(tmp_path / "tokenizer.json")).score(["a", "a b", ""])
    assert scores == pytest.approx([1 / (1 + np.exp(-1)), 1 / (1 + np.exp(-3)), 0.5], abs=1e-6)
    with pytest.raises(InputError, match=r"takes tokens; name its tokenizer\.json"):
        OnnxModel(file, "0").score(["a"])


SIGMOID_2 = 1 / (1 + np.exp(-2.0))


@pytest.mark.parametrize(
    ("values", "probabilities"),
    [
        ([[0.0], [1.0]], [[1.0, 0.0], [0.0, 1.0]]),  # one number from 0 to 1 is the probability of the second
        ([[2.0], [0.0]], [[1 - SIGMOID_2, SIGMOID_2], [0.5, 0.5]]),  # else a logit: 1 / (1 + e^-x)
        ([[-2.0], [0.0]], [[SIGMOID_2, 1 - SIGMOID_2], [0.5, 0.5]]),
        ([[0.25, 0.75], [0.0, 1.0]], [[0.25, 0.75], [0.0, 1.0]]),
        ([[0.25, 0.7505]], [[0.25, 0.7505]]),  # rounded by whoever exported it
        ([[2.0, 0.0]], [[SIGMOID_2, 1 - SIGMOID_2]]),  # softmax
        ([[1.5, -0.5]], [[SIGMOID_2, 1 - SIGMOID_2]]),  # which adds up to 1, but is no probability
        ([[0.0, 0.0, 0.0, 0.0]], [[0.25, 0.25, 0.25, 0.25]]),
    ],
)
def test_what_a_model_answers_is_read_as_probabilities_or_logits(
    values: list[list[float]], probabilities: list[list[float]]
) -> None:
    assert _to_probabilities(np.array(values)) == pytest.approx(np.array(probabilities))


def test_ten_labels_of_a_model_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    model = SimpleNamespace(get_labels=lambda: [f"__label__{number}" for number in range(11)])
    monkeypatch.setattr(text_models, "_load_fasttext", lambda file: model)
    with pytest.raises(InputError, match=r"it has 0, 1, 2, 3, 4, 5, 6, 7, 8, 9$"):
        FastTextModel("m.bin", "best").score(["x"])


def test_what_is_no_model_is_said(tmp_path: Path) -> None:
    for name in ("m.bin", "m.onnx"):
        with pytest.raises(InputError, match="no file"):
            make_text_model(str(tmp_path / name), "0", None).score(["x"])
        (tmp_path / name).write_bytes(b"no model")
        with pytest.raises(InputError, match="cannot load it"):
            make_text_model(str(tmp_path / name), "0", None).score(["x"])


def test_a_pipeline_drops_what_scores_too_low(tmp_path: Path) -> None:
    save_text_model(tmp_path / "m.onnx")
    (tmp_path / "in.jsonl").write_text('{"text": "good"}\n{"text": "bad"}\n')
    (tmp_path / "p.yaml").write_text(
        "input: {path: in.jsonl}\nstages:\n  - {use: classifier, file: m.onnx, label: '1'}\noutput: {path: out}\n"
    )
    summary = run_pipeline(tmp_path / "p.yaml", workers=1)
    assert (summary.rows_out, summary.dropped) == (1, 1)
    assert read_rows(tmp_path / "out")["classifier_score"].to_pylist() == pytest.approx([0.9])
