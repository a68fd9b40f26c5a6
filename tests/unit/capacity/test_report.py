"""The page of a plan."""

import re

import msgspec
import pytest

from steward.capacity.plan import Plan, PredictionInterval
from steward.capacity.report import ObjectiveCost, RatePoint, render
from steward.capacity.sizing import Requirements
from steward.workflows.plan.deployment import DeploymentSpec
from steward.workflows.plan.make import make_plan

WANTED = Requirements(rate=5, input_tokens=1024, output_tokens=256, ttft_p95_ms=800, tpot_p95_ms=50)
CURVE = [RatePoint(1.0, 40.0, 8.0), RatePoint(4.0, 90.0, 12.0), RatePoint(16.0, None, None)]
COSTS = [ObjectiveCost(25.0, 2, 4.8), ObjectiveCost(50.0, 1, 2.4), ObjectiveCost(400.0, None, None)]


def plan() -> Plan:
    return make_plan(DeploymentSpec(model="llama-3.1-8b", gpu="h100"), WANTED, None, None)


def test_a_page_says_what_serves_what_and_for_how_much() -> None:
    page = render(plan(), CURVE, COSTS, "TPOT p95")
    assert "1 × H100-SXM-80GB serves Llama-3.1-8B" in page and "5 requests/s of 1,024 + 256 tokens" in page
    assert "$2.40" in page and "TTFT p95 within 800 ms, TPOT p95 within 50 ms" in page
    assert re.search(r"Headroom.{0,80}>\d{2} %<", page, re.S)
    assert page.count("<svg") == 2 * 4 and "<script" not in page and not re.search(r"(src|href)=", page)


def test_p07_rates_and_objectives_stand_where_their_values_are() -> None:
    """On axes from 0: 1, 4 and 16 requests a second at 1/16, 1/4 and the end; 25 ms at an eighth of 50 ms's four."""
    page = render(plan(), CURVE, COSTS, "TPOT p95")
    lines = [match.split() for match in re.findall(r'<polyline class="line a" points="([^"]+)"', page)]
    x = [[float(point.split(",")[0]) - 60 for point in line] for line in lines[::2]]  # of wide screens
    assert [line[1] / line[0] for line in x] == pytest.approx([4.0, 4.0, 2.0], rel=0.01)  # latencies twice, then cost


def test_an_interval_that_cannot_tell_says_so() -> None:
    unknown = msgspec.structs.replace(plan(), ttft_p95_ms=PredictionInterval(None, 100.0, None))
    assert "interval: cannot tell" in render(unknown, CURVE, COSTS, "TPOT p95")


def test_without_prices_the_page_counts_accelerators() -> None:
    made = plan()
    assert made.chosen is not None
    free = msgspec.structs.replace(
        made, chosen=msgspec.structs.replace(made.chosen, usd_per_hour=None, usd_per_1k_requests=None)
    )
    costs = [msgspec.structs.replace(cost, usd_per_hour=None) for cost in COSTS]
    page = render(free, CURVE, costs, "TPOT p95")
    assert "Accelerators against TPOT p95 in ms" in page and "Cost per hour" not in page


def test_what_was_declined_is_listed_with_its_reason() -> None:
    declined = msgspec.structs.replace(plan(), declined={"L4 bf16": "time per token too long: <40 ms"})
    page = render(declined, CURVE, COSTS, "TPOT p95")
    assert "L4 bf16" in page and "time per token too long: &lt;40 ms" in page


def test_one_replica_is_singular_and_two_are_plural() -> None:
    made = plan()
    assert made.chosen is not None
    two = msgspec.structs.replace(made, chosen=msgspec.structs.replace(made.chosen, replicas=2, gpus=2))
    one_page, two_page = (render(item, CURVE, COSTS, "TPOT p95") for item in (made, two))
    assert "1 replica," in one_page and "2 replicas," in two_page and "2 × H100-SXM-80GB serve Llama" in two_page


def test_a_second_and_more_is_shown_in_seconds() -> None:
    slow = [RatePoint(1.0, 1000.0, 8.0), RatePoint(2.0, 1500.0, 9.0)]
    assert ">1.5 s<" in render(plan(), slow, COSTS, "TPOT p95")


def test_intervals_say_their_ends_or_that_they_cannot_tell() -> None:
    made = plan()
    for low, high, said in ((99.9, 100.0, "99.9 ms to 100 ms"), (None, 9.0, "cannot tell"), (9.0, None, "cannot tell")):
        page = render(
            msgspec.structs.replace(made, ttft_p95_ms=PredictionInterval(low, 50.0, high)), CURVE, COSTS, "TPOT p95"
        )
        assert said in page
    none = msgspec.structs.replace(made, ttft_p95_ms=None, tpot_p95_ms=None)
    assert "cannot tell" not in render(none, CURVE, COSTS, "TPOT p95")


def test_an_objective_is_a_line_of_its_chart_where_there_is_one() -> None:
    made = plan()
    both = render(made, CURVE, COSTS, "TPOT p95")
    one = render(
        msgspec.structs.replace(made, wanted=msgspec.structs.replace(WANTED, ttft_p95_ms=None)),
        CURVE, COSTS, "TPOT p95",
    )  # fmt: skip
    assert both.count('class="line d"') == 2 * 2 and one.count('class="line d"') == 2 * 1


@pytest.mark.parametrize(("top", "label"), [(999.0, "999 ms"), (1000.0, "1 s"), (1500.0, "1.5 s")])
def test_axes_are_in_seconds_from_a_second_on(top: float, label: str) -> None:
    slow = [RatePoint(1.0, top, 8.0), RatePoint(2.0, top, 9.0)]
    wanted = msgspec.structs.replace(WANTED, ttft_p95_ms=None)
    page = render(msgspec.structs.replace(plan(), wanted=wanted, ttft_p95_ms=None), slow, COSTS, "TPOT p95")
    assert label in page


def test_the_first_option_is_the_best_and_numbers_stand_to_the_right() -> None:
    made = plan()
    assert made.chosen is not None
    page = render(msgspec.structs.replace(made, alternatives=(made.chosen,)), CURVE, COSTS, "TPOT p95")
    first, second = re.findall(r"<tr( class=\"best\")?><td>H100-SXM-80GB bf16</td>", page)
    assert first and not second
    assert '<th>Accelerator</th><th class="n">Count</th>' in page and "<th>What</th><th>Value</th>" in page


def test_headroom_is_a_percentage_and_bands_are_as_wide_as_the_interval() -> None:
    """An interval from half to twice its value makes a band from 20 to 80 ms around 40 ms."""
    made = plan()
    assert made.chosen is not None
    chosen = msgspec.structs.replace(made.chosen, headroom=0.375)
    interval = PredictionInterval(25.0, 50.0, 100.0)
    page = render(msgspec.structs.replace(made, chosen=chosen, ttft_p95_ms=interval), CURVE, COSTS, "TPOT p95")
    assert ">38 %<" in page and "25 ms to 100 ms" in page
    assert (
        "<td>40.0 ms</td>" in page.replace("<td>40 ms</td>", "<td>40.0 ms</td>")
        and "p95 with its 80 % interval" in page
    )
    table = page.partition("Time to first token against requests per second")[2].partition("</table>")[0]
    assert "20" in table and "80" in table and "180" in table
