"""Which models a route may reach, and the defaults of its parts."""

from steward.gateway.route_records import ErrorFallbacks, Route, Target


def test_a_route_reaches_its_targets_its_fallbacks_and_whom_an_error_names() -> None:
    rules = ErrorFallbacks(context=("long", "a"), content_filter=("mild",), quota=False, auth=True)
    assert rules.names() == ("long", "a", "mild")
    route = Route("r", (Target("a"), Target("b", 2.0)), ("b", "c"), error_fallbacks=rules)
    assert route.reachable() == ("a", "b", "c", "long", "mild")
    assert Route("r", (Target("a"),)).reachable() == ("a",)


def test_by_default_every_class_leads_elsewhere() -> None:
    assert ErrorFallbacks() == ErrorFallbacks(*[True] * 6)
    route = Route("r", (Target("a"),))
    assert (route.retries, route.choice, route.sticky, route.unreadable) == (1, "weighted", "none", "refuse")
    assert Target("a").weight == 1.0
