"""Lines of a release's file: what they hold, and what ends the reading."""

from __future__ import annotations

from pathlib import Path

import pytest

from steward.core.errors import InputError
from steward.improvement.events import ReleaseEvent, align_weights, parse_release_event, read_release_events

WHOLE = (
    b'{"at":5.5,"subject":"ann","arm":"candidate","weight":0.25,'
    b'"bad":true,"slow":false,"usd":0.002,"score":-1,"judge":0.5}'
)


def test_a_whole_line_and_a_bare_one() -> None:
    assert parse_release_event(WHOLE, "f:1") == ReleaseEvent(
        at=5.5, subject="ann", arm="candidate", weight=0.25, bad=True, slow=False, usd=0.002, score=-1.0, judge=0.5
    )
    more = parse_release_event(WHOLE[:-1] + b',"refused":true,"guard_hit":false}', "f:1")
    assert (more.refused, more.guard_hit) == (True, False)
    bare = parse_release_event(
        b'{"at":"2026-11-28T12:00:00Z","arm":"champion","weight":0.5,"other":[1],"judge":null}', "f:1"
    )
    assert bare == ReleaseEvent(at=1795867200.0, arm="champion", weight=0.5)
    assert parse_release_event(b'{"at":"2026-11-28T12:00:00","arm":"champion","weight":0.5}', "f:1") == bare
    assert parse_release_event(b'{"at":1,"arm":"champion","weight":0.5,"subject":7}', "f:1").subject == "7"
    assert parse_release_event(b'{"at":32503679999,"arm":"champion","weight":0.5,"usd":1000000}', "f:1").usd == 1e6
    assert parse_release_event(b'{"at":1,"arm":"champion","weight":0.5,"subject":""}', "f:1").subject is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"nothing", "expected an event such as"),
        (b'{"arm":"candidate","weight":0.5}', "`at`"),
        (b'{"at":1,"arm":"control","weight":0.5}', "'control'"),
        (b'{"at":1,"arm":"candidate","weight":1}', "weight 1; expected the candidate's share, between 0 and 1"),
        (b'{"at":1,"arm":"candidate","weight":0}', "weight 0; expected"),
        (b'{"at":1,"arm":"candidate","weight":0.5,"bad":1}', r"\$.bad"),
        (b'{"at":1,"arm":"candidate","weight":0.5,"usd":-1}', "usd -1; expected dollars"),
        (b'{"at":1,"arm":"candidate","weight":0.5,"usd":1e999}', "f:3"),
        (b'{"at":1,"arm":"candidate","weight":0.5,"score":1.5}', "score 1.5; expected a number from -1 to 1"),
        (b'{"at":1,"arm":"candidate","weight":0.5,"judge":-1.01}', "judge -1.01; expected"),
        (b'{"at":-1,"arm":"candidate","weight":0.5}', "at -1; expected seconds"),
        (b'{"at":1,"arm":"candidate","weight":0.5,"usd":1000001}', "expected dollars of one request"),
        (b'{"at":1764288000000,"arm":"candidate","weight":0.5}', "1764288000000 .*expected seconds, not milliseconds"),
        (b'{"at":32503680000,"arm":"candidate","weight":0.5}', "after the year 3000"),
        (b'{"at":"yesterday","arm":"candidate","weight":0.5}', "'yesterday'; expected seconds since 1970 or"),
        (b" " * (1 << 20) + b"{}", "1,048,578 bytes"),
        (b'{"x":' + b"[" * 9000 + b"]" * 9000 + b',"at":1}', "f:3: maximum recursion"),
    ],
)
def test_a_line_that_is_no_event_says_where_and_why(line: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        parse_release_event(line, "f:3")
    assert str(caught.value).startswith("f:3: ")


def test_a_file_is_read_in_its_order_and_no_line_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    line = b'{"at":%d,"arm":"champion","weight":0.5}\n'
    file.write_bytes(line % 5 + b"\n" + line % 5 + line % 6)
    assert [event.at for event in read_release_events(file)] == [5, 5, 6]
    file.write_bytes(b"\xef\xbb\xbf" + line % 5)  # as some programs begin a file
    assert [event.at for event in read_release_events(file)] == [5]
    file.write_bytes(line % 5 + line % 4)
    with pytest.raises(InputError, match=r"events.jsonl:2: at 4.000 is before the line above; sort the lines by at"):
        list(read_release_events(file))
    file.write_bytes(line % 5 + b"\nx\n")
    with pytest.raises(InputError, match=r"events.jsonl:3: "):
        list(read_release_events(file))
    with pytest.raises(InputError, match="No such file"):
        list(read_release_events(tmp_path / "none"))


def event(arm: str, weight: float) -> ReleaseEvent:
    return ReleaseEvent(at=0.0, arm=arm, weight=weight)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lines", "shares"),
    [
        ([("candidate", 0.25), ("champion", 0.25)], [0.25, 0.25]),
        ([("candidate", 0.25), ("champion", 0.75)], [0.25, 0.25]),
        ([("candidate", 0.05), ("champion", 0.95), ("candidate", 0.5), ("champion", 0.5)], [0.05, 0.05, 0.5, 0.5]),
        ([("candidate", 0.5), ("champion", 0.5)], [0.5, 0.5]),
        ([("champion", 0.75)], [0.75]),
        ([("candidate", 0.25), ("champion", 0.25), ("candidate", 0.75), ("champion", 0.75)], [0.25, 0.25, 0.75, 0.75]),
        ([], []),
    ],
)
def test_weights_of_the_arm_that_was_drawn_become_the_candidates_share(
    lines: list[tuple[str, float]], shares: list[float]
) -> None:
    assert [one.weight for one in align_weights(iter([event(*line) for line in lines]))] == shares


def test_a_line_of_a_mebibyte_is_read() -> None:
    assert parse_release_event(WHOLE + b" " * (2**20 - len(WHOLE)), "f:1").subject == "ann"
    with pytest.raises(InputError, match="a line of 1,048,577 bytes; expected at most 1,048,576"):
        parse_release_event(WHOLE + b" " * (2**20 - len(WHOLE) + 1), "f:1")


def test_weights_are_compared_to_nine_digits() -> None:
    """A third and two thirds, of which one log has rounded the second."""
    rounded = [event("candidate", 1 / 3), event("champion", 0.666666667)]
    assert [one.weight for one in align_weights(iter(rounded))] == pytest.approx([1 / 3, 1 / 3], abs=1e-9)
    other = [event("candidate", 1 / 3), event("champion", 0.66666668)]
    assert [one.weight for one in align_weights(iter(other))] == [1 / 3, 0.66666668]
