import pytest

from steward.adapters.trainers.gepa import GepaTrainer, score_answer
from steward.core.errors import InputError
from steward.testing.trainers import make_job


@pytest.mark.parametrize(
    ("answer", "right", "score"),
    [("a b c", "a b c", 1.0), ("A, b!", "a b", 1.0), ("x", "a", 0.0), ("", "a", 0.0), ("a a", "a", 2 / 3)],
)
def test_token_f1(answer, right, score):
    assert score_answer(answer, right) == pytest.approx(score)


def test_a_prompt_is_chosen_on_rows_of_its_own_or_not_at_all(tmp_path):
    job = make_job(tmp_path, "gepa", "prompt", "trl-sft", [], base="m")
    with pytest.raises(InputError, match="the select slice is empty"):
        GepaTrainer().prepare(job, "python3")
