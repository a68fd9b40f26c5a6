"""Shapes and budgets of new models; right values are worked out by hand from the formulas in the docstrings."""

import pytest

from steward.adapters.trainers.architecture import ModelShape, count_steps, reshape_model
from steward.adapters.trainers.trl import TrlTrainer
from steward.core.errors import InputError
from steward.core.training import TrainingJob

BASE = ModelShape(layers=6, width=192, heads=6, kv_heads=2, wide=512)


def test_what_is_not_named_is_the_bases():
    assert reshape_model(BASE, None, None, None) == BASE
    assert reshape_model(BASE, 2, None, None) == ModelShape(layers=2, width=192, heads=6, kv_heads=2, wide=512)


def test_width_takes_the_feed_forward_part_along_and_heads_their_groups():
    assert reshape_model(BASE, None, 384, 12) == ModelShape(layers=6, width=384, heads=12, kv_heads=4, wide=1024)
    assert reshape_model(BASE, None, 64, 2).kv_heads == 2  # groups of three do not go into two heads


@pytest.mark.parametrize(
    ("width", "heads", "said"),
    [
        (100, 2, "multiple of 32, such as 96"), (10, 2, "such as 32"), (64, 5, "heads 5: width 64"), (96, 32, "3;"),
    ],
)  # fmt: skip
def test_a_shape_that_cannot_be(width, heads, said):
    with pytest.raises(InputError, match=said):
        reshape_model(BASE, None, width, heads)


def test_a_budget_pays_for_half_the_steps_with_twice_the_parameters():
    assert count_steps(6.0, 1_000_000, 1000.0) == 1000
    assert count_steps(6.0, 2_000_000, 1000.0) == 500
    assert count_steps(1e-9, 2_000_000, 1000.0) == 1


@pytest.mark.parametrize(
    ("method", "parameters", "said"),
    [
        ("sft", {"layers": 2, "lora_rank": 8}, "expected method sft and no lora_rank"),
        ("dpo", {"width": 64}, "expected method sft"),
        ("sft", {"budget_tflop": 1.0, "max_steps": 5}, "leave max_steps out"),
        ("kto", {"budget_tflop": 1.0}, "how long sft trains"),
        ("sft", {"layers": 0}, "layers"),
    ],
)
def test_parameters_that_contradict_are_refused_before_anything_starts(method, parameters, said):
    job = TrainingJob(
        id="tr", trainer="trl", method=method, base="folder", dataset="", train="t", select="", shape="trl-sft",
        parameters=parameters, artefacts="a", checkpoints="c", events="e",
    )  # fmt: skip
    with pytest.raises(InputError, match=said):
        TrlTrainer().prepare(job, "python")


def test_the_feed_forward_part_has_at_least_one_block():
    narrow = ModelShape(layers=1, width=512, heads=2, kv_heads=2, wide=64)
    assert reshape_model(narrow, None, 32, 1).wide == 32  # 64 x 32 / 512 = 4 of 32 round to none
