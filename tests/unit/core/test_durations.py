import pytest

from steward.core.durations import DAY_S, parse_duration_s, parse_span_s
from steward.core.errors import InputError


@pytest.mark.parametrize(
    "text, seconds", [("500ms", 0.5), ("60s", 60), ("1.5m", 90), ("2h", 7200), (" 7 s ", 7), (".5s", 0.5), ("0s", 0)]
)
def test_a_duration_is_a_number_with_its_unit(text, seconds):
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize(
    "text, said",
    [
        ("500", r"--stall '500' has no unit: expected ms, s, m or h, such as 500s or 500ms"),
        ("5 days", r"--stall '5 days' has the unit 'days'"),
        ("soon", r"--stall 'soon': expected a number with ms, s, m or h, such as 60s"),
        ("-1s", r"expected a number"),
        ("nan s", r"expected a number"),
    ],
)
def test_l6_a_number_without_a_unit_is_refused_everywhere(text, said):
    with pytest.raises(InputError, match=said):
        parse_duration_s(text, "--stall")


@pytest.mark.parametrize(
    "text, seconds", [("90s", 90), ("15m", 900), ("24h", 86400), ("30d", 2592000), ("2w", 1209600), ("0.5d", 43200)]
)
def test_a_span_may_last_weeks(text, seconds):
    assert parse_span_s(text) == seconds


@pytest.mark.parametrize("text", ["30", "1y", "10ms", "-1d", "", "d"])
def test_what_is_no_span_is_refused(text):
    with pytest.raises(InputError, match=r"--since .*such as 90s, 15m, 24h, 30d or 2w"):
        parse_span_s(text, "--since")


def test_a_day_is_that_of_posix():
    """IEEE Std 1003.1, "Seconds Since the Epoch": each day has exactly 86,400 seconds."""
    assert DAY_S == 86_400
