import pytest

from steward.core.errors import Refused
from steward.gateway.routing import Route, Target, find, order, table


def test_weights_and_fallback() -> None:
    route = Route("r", (Target("a", 3), Target("b", 1)), ("c", "a"))
    firsts = [order(route, draw / 1000)[0] for draw in range(1000)]
    assert firsts.count("a") == 750
    assert order(route, 0.0) == ("a", "c") and order(route, 0.9) == ("b", "c", "a")


def test_unknown_models_list_what_exists() -> None:
    with pytest.raises(Refused, match="Available: m, r"):
        find(table([Route("r", (Target("m"),))], ["m"]), "x")
