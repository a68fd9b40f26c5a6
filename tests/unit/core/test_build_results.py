"""JUnit's XML and GitHub's annotations."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from steward.core.build_results import BuildResult, render_annotations, render_junit, runs_on_github

RESULTS = [
    BuildResult("a", "passed"),
    BuildResult("b <c>", "failed", 'less & "worse"'),
    BuildResult("d", "error", "no \x00 answer"),
    BuildResult("e", "skipped", "no value"),
]


def test_junit_counts_and_escapes() -> None:
    root = ET.fromstring(render_junit("steward gate", RESULTS))
    assert {name: root.get(name) for name in ("name", "tests", "failures", "errors", "skipped")} == {
        "name": "steward gate", "tests": "4", "failures": "1", "errors": "1", "skipped": "1"
    }  # fmt: skip
    cases = root.findall("testcase")
    assert [(case.get("name"), [child.tag for child in case]) for case in cases] == [
        ("a", []), ("b <c>", ["failure"]), ("d", ["error"]), ("e", ["skipped"])
    ]  # fmt: skip
    assert cases[0].get("classname") == "steward.gate" and cases[1][0].get("message") == 'less & "worse"'
    assert cases[2][0].get("message") == "no \ufffd answer"  # XML holds no NUL


def test_github_annotations_escape_what_ends_a_command() -> None:
    assert render_annotations("load", [BuildResult("a,b: c", "failed", "50%\r\nnext")]) == [
        "::error title=load%3A a%2Cb%3A c::50%25%0D%0Anext"
    ]
    kinds = [line.partition(" ")[0] for line in render_annotations("s", RESULTS)]
    assert kinds == ["::error", "::error", "::warning"]


def test_github_shows_ten_annotations_so_the_tenth_counts_the_rest() -> None:
    ten = render_annotations("s", [BuildResult(str(n), "failed") for n in range(10)])
    eleven = render_annotations("s", [BuildResult(str(n), "failed") for n in range(11)])
    assert len(ten) == len(eleven) == 10 and "more" not in ten[-1]
    assert eleven[-1] == "::error title=s::and 2 more that did not pass"


def test_only_github_reads_annotations() -> None:
    assert runs_on_github({"GITHUB_ACTIONS": "true"}) and not runs_on_github({"CI": "true"})
