from steward.improvement.experiment import Dimension, ExperimentReport, SecondLook, Trial
from steward.improvement.experiment_page import make_experiment_page

SPACE = (Dimension(name="rate", low=1e-5, high=1e-3, log=True), Dimension(name="<rank>", choices=(8, 16)))


def look(value):
    return SecondLook(number=1, items=9, value=value, low=value - 0.1, high=value + 0.1)


def test_a_page_shows_both_scores_and_all_trials():
    trials = tuple(
        Trial(number=n, parameters={"rate": 1e-4, "<rank>": 8}, state="complete", items=2, scores=(0.5, n / 10))
        for n in range(3)
    )
    failed = Trial(number=3, parameters={"rate": 1e-4, "<rank>": 16}, state="failed", reason="exit code 3")
    report = ExperimentReport(
        id="ex_1", name="e", folder="f", state="finished", goal="maximize", trials=(*trials, failed),
        broken={"0": "latency_s is 2, at most 1"}, pareto=(2,), importance={"rate": 0.25, "<rank>": None}, winner=2,
        first_score=look(0.35), second_score=look(0.3), against_first=look(0.05), verdict="better",
    )  # fmt: skip
    page = make_experiment_page(report, SPACE)
    assert "0.350" in page and "0.300" in page and "flatters" in page and "better" in page
    assert "&lt;rank&gt;" in page and "<rank>" not in page
    assert page.count('class="line') >= 3 and "25%" in page and "exit code 3" in page and "at most 1" in page


def test_a_page_without_a_winner():
    report = ExperimentReport(
        id="ex_1",
        name="e",
        folder="f",
        state="no winner",
        goal="maximize",
        trials=(),
        broken={},
        pareto=(),
        importance={},
    )
    assert "none" in make_experiment_page(report, SPACE)
