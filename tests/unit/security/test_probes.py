"""What answers mean: a probe that got no answer, a slow one or a failure never counts as held."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from steward.security.probes import (
    EVIL,
    Probe,
    ProbeAnswer,
    judge_alive,
    judge_bounded,
    judge_listener,
    judge_no_file,
    judge_origin,
    judge_refused,
    judge_template,
    list_probes,
)

GONE = ProbeAnswer(status=None)
LATE = ProbeAnswer(status=None, seconds=8.0, timed_out=True)
SLOW = ProbeAnswer(status=401, seconds=5.01)


def answer(status: int, **more: Any) -> ProbeAnswer:
    return ProbeAnswer(status=status, **more)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 422, 429, 499, 300, 303])
def test_a_refusal_holds(status: int) -> None:
    assert judge_refused([answer(401), answer(status)])[0] == "held"


@pytest.mark.parametrize("bad", [answer(200), answer(204), answer(299), answer(500), answer(503), GONE, LATE, SLOW])
def test_anything_else_is_no_refusal(bad: ProbeAnswer) -> None:
    assert judge_refused([answer(401), bad])[0] == "failed"


def test_an_answer_in_time_is_alive() -> None:
    assert judge_alive([answer(200, seconds=5.0), answer(404)]) == ("held", "answered 200, 404")
    assert judge_alive([answer(200), GONE]) == ("failed", "ended the connection without an answer")
    assert judge_alive([LATE]) == ("failed", "took 8.0 s") and judge_alive([answer(500)]) == (
        "failed",
        "failed with 500",
    )


def test_too_much_is_refused_and_the_server_lives_on() -> None:
    assert judge_bounded([answer(431), answer(401)]) == ("held", "refused with 431")
    assert judge_bounded([GONE, answer(401)]) == ("held", "refused with a closed connection")
    assert judge_bounded([answer(431), GONE])[1] == "the server does not answer any more"
    for bad in (answer(200), answer(500), LATE, SLOW):
        assert judge_bounded([bad, answer(401)])[0] == "failed"
    assert judge_bounded([answer(431), answer(502)])[0] == "failed"


def test_a_file_from_outside_is_known_by_its_root() -> None:
    assert judge_no_file([answer(200, body=b"root:x:0:0:root")])[0] == "failed"
    assert judge_no_file([answer(404, body=b"no root: there")])[0] == "held" and judge_no_file([GONE])[0] == "failed"


@pytest.mark.parametrize(
    ("headers", "verdict"),
    [
        ({}, "held"),
        ({"access-control-allow-origin": "https://app.example.com"}, "held"),
        ({"access-control-allow-origin": "*"}, "held"),  # without credentials a key has to be known
        ({"access-control-allow-origin": EVIL}, "failed"),
        ({"access-control-allow-origin": "*", "access-control-allow-credentials": "true"}, "failed"),
    ],
)
def test_an_origin_that_nobody_named_reads_nothing(headers: dict[str, str], verdict: str) -> None:
    assert judge_origin([answer(200, headers=headers)])[0] == verdict


def test_a_template_that_was_worked_out_is_seen_in_any_answer() -> None:
    assert judge_template([answer(400, body=b"1522756")])[0] == "failed"
    assert judge_template([answer(404)])[0] == "held" and judge_template([answer(200)])[0] == "failed"


def test_silence_of_a_server_elsewhere_proves_nothing() -> None:
    held: Any = ("held", "answered 400")
    assert judge_listener(True, 0, held) == held
    assert judge_listener(True, 1, held)[0] == judge_listener(False, 1, held)[0] == "failed"
    assert judge_listener(False, 0, held)[0] == "cannot tell"


def test_probes_are_few_small_and_read_only() -> None:
    probes = list_probes("m")
    numbers = [probe.number for probe in probes]
    assert len(set(numbers)) == len(numbers) == 19
    requests = [request for probe in probes for request in probe.requests]
    assert len(requests) < 60 and {request.method for request in requests} == {"GET", "POST", "OPTIONS"}
    assert sum(len(request.body) + sum(map(len, map(str, request.headers))) for request in requests) < 500_000
    assert all(request.with_key <= probe.needs_key for probe in probes for request in probe.requests)


@pytest.mark.parametrize("probe", list_probes("m"), ids=lambda probe: probe.advisory)
def test_a_probe_has_the_number_of_the_tests_of_its_advisory(probe: Probe) -> None:
    (file,) = (Path(__file__).parents[2] / "security").glob(f"test_advisory_{probe.number:02}_*.py")
    assert probe.advisory in file.read_text()


def test_what_exhausts_a_server_is_sent_as_large_as_the_advisories_have_it() -> None:
    """Four times the head that we take, and a boundary beyond RFC 2046's 70 characters, with a body of nothing else."""
    by_number = {probe.number: probe.requests[0] for probe in list_probes("m")}
    assert len(by_number[21].headers[0][1]) == 262_144
    assert len(by_number[11].headers[0][1].partition("boundary=")[2]) == 4_000
    assert by_number[11].body == b"-" * 70_002
    assert by_number[30].headers[0][1].count("0-") == 1_500
