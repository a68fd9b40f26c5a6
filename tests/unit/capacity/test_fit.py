"""The fit finds what the rows were made with, and keeps what they say nothing of."""

import math

import msgspec
import pytest

from steward.capacity.calibrate import calibrate, fit_deployment_terms
from steward.capacity.catalog import find_accelerator, find_model
from steward.capacity.engines import ENGINES, find_precision
from steward.capacity.fit import (
    compute_residuals,
    fit_leaving_one_out,
    fit_terms,
    solve_linear,
    solve_step,
    sum_losses,
    sum_pulls,
    weigh_metrics,
    weigh_residuals,
)
from steward.capacity.measurements import Measurement
from steward.capacity.predict import Load, predict
from steward.capacity.sizing import build_deployment
from steward.capacity.step_time import Terms
from steward.core.errors import InputError

TRUE = msgspec.structs.replace(Terms(), bandwidth=0.6, step_us=3000.0)


def rows(truth: Terms, gpu: str = "h100", group: str = "one") -> list[Measurement]:
    """Static batches, as `truth` has them."""
    deployment = build_deployment(
        find_model("llama-3.1-8b").model, find_accelerator(gpu), find_precision("bf16"), ENGINES["tensorrt-llm"]
    )
    found = []
    for batch in (1, 2, 4, 8, 16, 32, 64, 128):
        for prompt in (128, 1024):
            load = Load(kind="static", concurrency=batch, input_tokens=prompt, output_tokens=128)
            p = predict(deployment, load, truth)
            measured = {"output_tok_s": p.output_tok_s, "tpot_ms": p.tpot_ms.mean}
            name = f"{group}{batch}x{prompt}"
            found.append(Measurement(id=name, group=group, deployment=deployment, load=load, measured=measured))
    return found


def off(found: Terms, of: list[Measurement]) -> float:
    """The largest |log ratio|: the terms themselves trade places (bandwidth against a step's fixed time)."""
    return max(abs(value) for value in compute_residuals(of, found))


def test_the_fit_predicts_the_rows_it_was_made_with() -> None:
    assert off(Terms(), rows(TRUE)) > 0.3
    assert off(fit_terms(rows(TRUE), Terms(), Terms(), {"bandwidth": 2.0, "step_us": 2.0}), rows(TRUE)) < 0.02


def test_one_free_term_is_found_exactly() -> None:
    slow = msgspec.structs.replace(Terms(), bandwidth=0.6)
    assert fit_terms(rows(slow), Terms(), Terms(), {"bandwidth": 1.0}, balance=False).bandwidth == pytest.approx(
        0.6, rel=0.02
    )


def test_one_wrong_row_does_not_pull() -> None:
    spoilt = rows(TRUE)
    spoilt[0] = msgspec.structs.replace(spoilt[0], measured={"output_tok_s": 1.0, "tpot_ms": 9000.0})
    found = fit_terms(spoilt, Terms(), Terms(), {"bandwidth": 2.0, "step_us": 2.0}, balance=False)
    assert off(found, rows(TRUE)[1:]) < 0.04


def test_a_term_no_row_speaks_of_stays_where_it_was() -> None:
    found = fit_terms(rows(TRUE), Terms(), Terms(), {"bandwidth": 0.5, "link": 0.5, "expert": 0.5})
    assert found.link == Terms().link and found.expert == Terms().expert


def test_a_group_left_out_does_not_decide_its_own_terms() -> None:
    usual, odd = (msgspec.structs.replace(Terms(), bandwidth=value) for value in (0.7, 0.5))
    own = fit_leaving_one_out([*rows(usual), *rows(odd, "a100", "two")], Terms(), {"bandwidth": 0.5})
    assert own["two"].bandwidth == pytest.approx(0.7, rel=0.05) and own["one"].bandwidth == pytest.approx(0.5, rel=0.1)


def test_a_calibration_says_what_it_gained_on_rows_it_did_not_see() -> None:
    found = calibrate(rows(TRUE), Terms())
    assert found.held_out is not None
    before, after = (side["tpot_ms"].median_error for side in (found.before, found.held_out))
    assert before is not None and after is not None and after < 0.05 < before


def test_a_calibration_wants_rows_of_one_deployment() -> None:
    with pytest.raises(InputError, match="at least 3"):
        calibrate(rows(TRUE)[:2], Terms())
    with pytest.raises(InputError, match="several deployments"):
        calibrate([*rows(TRUE), *rows(TRUE, "a100", "two")], Terms())


def test_free_terms_are_those_the_deployment_has() -> None:
    assert fit_deployment_terms(rows(TRUE), Terms()).allreduce_us == Terms().allreduce_us


def test_a_group_of_many_rows_weighs_with_the_root_of_them() -> None:
    """Sixteen rows that say 0.5 and four that say 0.7: balanced, the few pull further than their number."""
    many, few = (msgspec.structs.replace(Terms(), bandwidth=value) for value in (0.5, 0.7))
    both = [*rows(many), *rows(few, group="two")[:4]]
    plain = fit_terms(both, Terms(), Terms(), {"bandwidth": 2.0}, balance=False)
    balanced = fit_terms(both, Terms(), Terms(), {"bandwidth": 2.0}, balance=True)
    assert plain.bandwidth <= balanced.bandwidth


def test_a_narrow_prior_holds_a_term_where_it_is() -> None:
    slow = msgspec.structs.replace(Terms(), bandwidth=0.6)
    wide, narrow = (fit_terms(rows(slow), Terms(), Terms(), {"bandwidth": width}) for width in (2.0, 0.001))
    assert wide.bandwidth == pytest.approx(0.6, rel=0.02) and narrow.bandwidth == pytest.approx(0.85, rel=0.02)


def test_residuals_are_logarithms_of_predicted_over_measured() -> None:
    halved = [
        msgspec.structs.replace(row, measured={name: value / 2 for name, value in row.measured.items()})
        for row in rows(Terms())
    ]
    assert compute_residuals(halved, Terms()) == pytest.approx([math.log(2)] * len(halved) * 2)


def test_metrics_of_balanced_groups_count_with_the_root_of_their_rows_and_first_tokens_half() -> None:
    four, one = rows(TRUE)[:4], rows(TRUE, group="two")[0]
    one = msgspec.structs.replace(one, measured={"ttft_ms": 9.0, "tpot_ms": 9.0})
    four = [msgspec.structs.replace(row, group="four", measured={"tpot_ms": 9.0}) for row in four]
    assert weigh_metrics([*four, one], balance=True) == [0.5, 0.5, 0.5, 0.5, 0.5, 1.0]
    assert weigh_metrics([*four, one], balance=False) == [1.0] * 6


def test_losses_are_squares_up_to_the_knee_and_twice_the_distance_beyond() -> None:
    """Huber 1964 with the knee at 0.08: 0.04^2 / 0.08; 0.08^2 / 0.08; 2 x 0.2 - 0.08."""
    assert [sum_losses([value], [1.0]) for value in (0.04, -0.08, -0.2)] == pytest.approx([0.02, 0.08, 0.32])
    assert sum_losses([0.04, 0.2], [2.0, 0.5]) == pytest.approx(0.2)


def test_a_residual_beyond_the_knee_weighs_less_the_farther_it_is() -> None:
    assert weigh_residuals([0.01, -0.2], [1.0, 2.0]) == pytest.approx([12.5, 10.0])


def test_terms_are_pulled_by_their_distance_in_widths() -> None:
    """Two widths of 0.1 above and one of 0.5 below: 4 + 1."""
    prior = Terms()
    moved = msgspec.structs.replace(prior, bandwidth=0.85 * math.exp(0.2), link=0.6 * math.exp(-0.5))
    assert sum_pulls(moved, prior, {"bandwidth": 0.1, "link": 0.5}) == pytest.approx(5.0)


def test_linear_equations_by_hand() -> None:
    """4x + 2y = 8, 2x + 5y + z = 15, y + 3z = 11 for x, y, z = 1, 2, 3."""
    matrix = [[4.0, 2.0, 0.0], [2.0, 5.0, 1.0], [0.0, 1.0, 3.0]]
    assert solve_linear(matrix, [8.0, 15.0, 11.0]) == pytest.approx([1.0, 2.0, 3.0])


def test_a_step_is_gauss_newtons_with_the_pull_of_the_prior() -> None:
    """A residual of 0.1 with slope 2 and weight 3, a prior of width 1/2: -3 x 2 x 0.1 / (3 x 4 + 4); started 0.1 above
    the prior, 4 x 0.1 more."""
    prior = Terms()
    assert solve_step([0.1], [[0.14]], [3.0], prior, prior, {"bandwidth": 0.5}) == pytest.approx([-0.6 / 16])
    above = msgspec.structs.replace(prior, bandwidth=0.85 * math.exp(0.1))
    assert solve_step([0.1], [[0.14]], [3.0], above, prior, {"bandwidth": 0.5}) == pytest.approx([-1.0 / 16])


def test_a_step_of_two_terms_solves_them_together() -> None:
    """Slopes (1, 1) and (0, 1) of residuals (1, 3) with wide priors: the second takes 2, the first 1."""
    columns = [[1.02, 3.02], [1.0, 3.02]]
    found = solve_step([1.0, 3.0], columns, [1.0, 1.0], Terms(), Terms(), {"bandwidth": 1e6, "link": 1e6})
    assert found == pytest.approx([-1.0, -2.0])


@pytest.mark.parametrize(("truth", "side"), [(0.1, -1), (9.0, 1)])
def test_one_step_moves_a_term_by_half_in_log_at_most_and_a_single_one_by_seven_tenths(truth: float, side: int) -> None:
    far = rows(msgspec.structs.replace(Terms(), bandwidth=truth))
    one = fit_terms(far, Terms(), Terms(), {"bandwidth": 9.0}, rounds=1)
    assert one.bandwidth == pytest.approx(0.85 * math.exp(0.5 * side))
    labels = ["far"] * len(far) + ["other"]
    near = rows(Terms(), "a100", "two")[:1]
    single = fit_leaving_one_out([*far, *near], Terms(), {"bandwidth": 9.0}, groups=labels)
    assert single["other"].bandwidth == pytest.approx(0.85 * math.exp(0.7 * side))


def test_rows_that_only_pretend_to_measure_pull_like_their_distance() -> None:
    """A prediction of 0 ms, for answers of one token, is taken for a billionth."""
    (row,) = rows(Terms())[:1]
    load = msgspec.structs.replace(row.load, output_tokens=1)
    assert compute_residuals([msgspec.structs.replace(row, load=load, measured={"tpot_ms": 1.0})], Terms()) == [
        pytest.approx(math.log(1e-9))
    ]


def test_a_fit_far_from_its_prior_is_held_by_it() -> None:
    """The pull counts in what a step must better: a narrow prior lets a term move a tenth as far as a wide one."""
    slow = rows(msgspec.structs.replace(Terms(), bandwidth=0.3))
    wide, narrow = (fit_terms(slow, Terms(), Terms(), {"bandwidth": width}).bandwidth for width in (2.0, 0.02))
    assert wide == pytest.approx(0.3, rel=0.03) and 0.3 < narrow < 0.85
    loss = [
        sum_losses(compute_residuals(slow, at), weigh_metrics(slow, balance=True))
        + sum_pulls(at, Terms(), {"bandwidth": 0.02})
        for at in (
            msgspec.structs.replace(Terms(), bandwidth=value) for value in (narrow * 0.98, narrow, narrow * 1.02)
        )
    ]
    assert loss[1] <= min(loss[0], loss[2]) + 0.05


def test_what_no_row_speaks_of_goes_back_to_its_prior() -> None:
    """A fit that goes on from an earlier one keeps nothing that measurements no longer support."""
    earlier = msgspec.structs.replace(Terms(), link=0.8 * Terms().link)
    found = fit_terms(rows(Terms()), earlier, Terms(), {"link": 0.5})
    assert found.link == pytest.approx(Terms().link)
