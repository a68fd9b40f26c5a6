import re

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
    page = make_experiment_page(report, SPACE)
    assert re.search(r"Winner(?:<[^>]*>|\s)*none(?:<[^>]*>|\s)*of 0 trials", page), page


def make_trial(number, score, state="complete", **parameters):
    scores = () if score is None else (score, score)
    return Trial(
        number=number, parameters={"rate": 1e-4, "<rank>": 8, **parameters}, state=state, items=1234, scores=scores
    )


def make_report(*trials, **fields):
    usual = {"id": "ex_1", "name": "e", "folder": "f", "state": "finished", "goal": "maximize", "broken": {},
             "pareto": (), "importance": {}}  # fmt: skip
    return ExperimentReport(**{**usual, "trials": trials, **fields})


def read_lines(page):
    """Style, points and name of each line, in the order of drawing."""
    return re.findall(r'class="line (\w)" points="([^"]+)"><title>([^<]+)<', page)


def test_lines_are_placed_by_their_values_and_the_winner_is_in_front():
    """Axes at 60, 480 and 900; a rate of 1e-4 is the middle of its decades, 8 the first of its choices."""
    trials = (make_trial(0, 0.75), make_trial(1, 0.25, rate=1e-5), make_trial(2, 0.5, rate=1e-3, **{"<rank>": 16}))
    page = make_experiment_page(make_report(*trials, winner=0, pareto=(2,)), SPACE)
    assert read_lines(page) == [
        ("c", "60.0,294.0 480.0,294.0 900.0,294.0", "trial 1"),
        ("b", "60.0,34.0 480.0,34.0 900.0,164.0", "trial 2"),
        ("a", "60.0,164.0 480.0,294.0 900.0,34.0", "trial 0"),
    ]
    assert ">0.250<" in page and ">0.750<" in page  # the ends of the scores' axis
    assert ">1e-05<" in page and ">0.001<" in page and ">8<" in page and ">16<" in page


def test_equal_scores_are_drawn_at_the_bottom():
    page = make_experiment_page(make_report(make_trial(0, 0.5), make_trial(1, 0.5)), SPACE)
    assert [points.split()[-1] for _, points, _ in read_lines(page)] == ["900.0,294.0"] * 2


def test_each_trial_has_a_row_with_its_note():
    trials = (make_trial(0, 0.5), make_trial(1, 0.25), make_trial(2, None, "failed"), make_trial(3, 0.125))
    page = make_experiment_page(make_report(*trials, pareto=(1,), broken={"3": "too slow"}), SPACE)
    rows = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in page.partition("All trials")[2].split("<tr>")[2:]]
    assert [(row[0], row[1], row[3], row[-1]) for row in rows] == [
        ("0", "complete", "1,234", ""),
        ("1", "complete", "1,234", "Pareto"),
        ("2", "failed", "1,234", ""),
        ("3", "complete", "1,234", "too slow"),
    ]
    assert rows[0][2] == "0.5000" and rows[2][2] in ("", "–")


def test_what_mattered_is_sorted_and_differences_have_signs():
    fields = {"importance": {"rate": 0.25, "<rank>": 0.5}, "against_first": look(-0.05)}
    page = make_experiment_page(make_report(make_trial(0, 0.5), **fields), SPACE)
    assert page.index("50%") < page.index("25%") and "-0.050, 95 % -0.150 to +0.050" in page
