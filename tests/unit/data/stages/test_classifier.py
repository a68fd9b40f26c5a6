from pathlib import Path

import numpy as np
import pytest

from data_batches import apply, batch, chat
from steward.core.errors import InputError
from steward.data.classifier import PLACES, Classifier, fit_weights, save_classifier
from steward.data.config import make_stage
from steward.data.stages.classifier import ClassifierStage


@pytest.fixture
def file(tmp_path: Path) -> str:
    trained = fit_weights(["good text", "bad text"] * 20, np.array([True, False] * 20))
    save_classifier(trained, tmp_path / "good.npz")
    return str(tmp_path / "good.npz")


def test_rows_below_the_score_go_and_the_ledger_says_the_score(file: str) -> None:
    result = ClassifierStage(file=file).apply(batch("good text", "bad text"))
    assert result.batch["id"].to_pylist() == ["d0"] and result.batch["classifier_score"].to_pylist()[0] > 0.8
    (entry,) = result.entries
    assert (entry.id, entry.stage, entry.action, entry.rule, entry.threshold) == (
        "d1", "classifier", "drop", "low_score", 0.5
    )  # fmt: skip
    assert isinstance(entry.value, float) and entry.value < 0.2


def test_a_score_at_the_limit_stays_and_0_keeps_all(tmp_path: Path, file: str) -> None:
    save_classifier(Classifier(np.zeros(PLACES, np.float32), 0.0), tmp_path / "even.npz")
    assert apply(ClassifierStage(file=str(tmp_path / "even.npz")), "any") == (["any"], [])
    assert apply(ClassifierStage(file=file, min_score=0), "bad text") == (["bad text"], [])


def test_chats_are_scored_as_one_text(file: str) -> None:
    result = ClassifierStage(file=file).apply(chat(("user", "good"), ("assistant", "good text")))
    assert result.batch.num_rows == 1 and "messages" in result.batch.schema.names


def test_a_missing_file_is_refused_before_the_run_and_belongs_to_the_runs_key(tmp_path: Path, file: str) -> None:
    with pytest.raises(InputError, match="no file"):
        ClassifierStage(file=str(tmp_path / "no.npz")).check()
    assert ClassifierStage(file=file).check() == [] and ClassifierStage.files == ("file", "tokenizer")
    stage = make_stage({"use": "classifier", "file": "good.npz"}, base=tmp_path)
    assert stage.file == file
    with pytest.raises(InputError, match="min_score"):
        make_stage({"use": "classifier", "file": "good.npz", "min_score": 1.5})


def test_the_parameters_go_with_the_kind_of_file() -> None:
    for options, message in (
        ({"file": "m.npz", "label": "hq"}, "leave them out"),
        ({"file": "m.pkl"}, "unknown ending"),
        ({"file": "m.bin"}, "no label"),
    ):
        with pytest.raises(InputError, match=message):
            ClassifierStage(**options)
    with pytest.raises(InputError, match="or pass scorer="):
        ClassifierStage(file="m.ftz", label="hq").check()
