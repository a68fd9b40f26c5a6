"""The section `monitoring`."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ranges import read_ranges
from settings_reference import describe_settings, read_settings
from steward.monitoring.config import MonitoringConfig


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ({"kind": "webhook"}, "needs a url"),
        ({"kind": "slack"}, "needs a url"),
        ({"kind": "email", "url": "smtp://m"}, "needs recipients"),
        ({"kind": "email", "to": ["a@b"]}, "smtp://localhost:25"),
        ({"kind": "pagerduty"}, "needs a key"),
        ({"kind": "webhook", "url": "http://h", "to": ["a@b"]}, "takes no to"),
        ({"kind": "slack", "url": "http://h", "key": "env:K"}, "takes no key"),
        ({"kind": "webhook", "url": "http://h", "key": "plain"}, "key"),
        ({"kind": "webhook", "url": "http://h", "severities": []}, "is told nothing"),
        ({"kind": "webhook", "url": "ftp://h"}, "takes no url of ftp://; expected one such as https://HOST/PATH"),
        ({"kind": "slack", "url": "smtp://h"}, "takes no url of smtp://"),
        ({"kind": "email", "url": "https://h", "to": ["a@b"]}, "expected one such as smtp://localhost:25"),
        ({"kind": "apprise"}, "needs a url, such as env:APPRISE_URL"),
        ({"kind": "apprise", "url": "env:A", "key": "env:K"}, "takes no key"),
        ({"kind": "apprise", "url": "env:A", "to": ["a@b"]}, "takes no to"),
        ({"kind": "webhook", "url": "http://h", "fallback": "d"}, "'d', which is none of the channels c"),
        ({"kind": "webhook", "url": "http://h", "fallback": "c"}, "lead back to c"),
    ],
)
def test_a_channel_that_could_not_work_is_refused(channel: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        MonitoringConfig.model_validate({"channels": [{"name": "c", **channel}]})


def test_two_channels_of_one_name_are_refused() -> None:
    channel = {"name": "c", "kind": "webhook", "url": "http://h"}
    with pytest.raises(ValidationError, match="two channels are named c"):
        MonitoringConfig.model_validate({"channels": [channel, channel]})


def test_the_plan_has_what_was_said() -> None:
    config = MonitoringConfig.model_validate(
        {"channels": [{"name": "p", "kind": "pagerduty", "key": "env:K", "severities": ["page"]}], "repeat_s": 60}
    )
    plan = config.plan("http://c:1")
    assert (plan.repeat_s, plan.page, plan.rules) == (60.0, "http://c:1", None)
    assert (plan.channels[0].key, plan.channels[0].severities) == ("env:K", ("page",))


@pytest.mark.parametrize("kept", [{"keep_minutes_for_days": 101}, {"keep_days_for_days": 99}])
def test_coarser_series_are_kept_at_least_as_long(kept: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match="expected each at least as long as the one before it"):
        MonitoringConfig.model_validate(kept)


def test_series_of_minutes_last_as_long_as_the_slowest_alert_looks_back() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 4"):
        MonitoringConfig.model_validate({"keep_minutes_for_days": 3})
    assert MonitoringConfig.model_validate({"keep_minutes_for_days": 4}).plan("").keep_minutes_for_days == 4


def test_a_fallback_may_be_told_only_as_one_and_may_not_lead_in_a_circle() -> None:
    first = {"name": "a", "kind": "webhook", "url": "http://h", "fallback": "b"}
    second = {"name": "b", "kind": "apprise", "url": "ntfy://topic", "severities": []}
    plan = MonitoringConfig.model_validate({"channels": [first, second]}).plan("")
    assert [(one.name, one.fallback, one.severities) for one in plan.channels] == [
        ("a", "b", ("page", "ticket")),
        ("b", None, ()),
    ]
    with pytest.raises(ValidationError, match="the fallbacks of channel a lead back to a"):
        MonitoringConfig.model_validate({"channels": [first, {**second, "fallback": "a"}]})


def test_a_fallback_that_is_no_channel_is_named_with_those_that_are() -> None:
    lone = {"name": "a", "kind": "webhook", "url": "http://h", "fallback": "pager"}
    with pytest.raises(ValidationError, match="the fallback of channel a is 'pager', which is none of the channels a"):
        MonitoringConfig.model_validate({"channels": [lone]})


def test_ranges_of_numbers_that_are_accepted() -> None:
    days = "4 <= x <= 3660"
    assert read_ranges(MonitoringConfig) == {
        "repeat_s": "60 <= x",
        "ratings_per_person": "1 <= x <= 1000",
        "keep_minutes_for_days": days,
        "keep_hours_for_days": days,
        "keep_days_for_days": days,
    }


@pytest.mark.parametrize("section", ["monitoring.", "slos[].", "calendar."])
def test_defaults_and_bounds_are_those_that_operators_read(section: str) -> None:
    rows = read_settings(section)
    assert rows and describe_settings(section) == rows
