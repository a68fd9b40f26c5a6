"""A study clicked through in a real Chromium: by keys, without scripts, on a phone, in the dark."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import chromium
from conftest import STEWARD, run, until
from studies import folder, write

pytestmark = [
    pytest.mark.skipif(chromium.found() is None, reason="no Chromium: apt-get install chromium"),
    pytest.mark.timeout(180),  # ten seconds each at most on an idle machine
]
RUBRIC = """question: "How good is this answer?"
criteria:
  - {name: right, ask: "Is it right?", levels: [wrong, partly, right]}
  - {name: clear, ask: "Is it clear?", levels: [unclear, clear]}
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Browser]:
    made = chromium.Browser(tmp_path_factory.mktemp("chromium"))
    yield made
    made.close()


@pytest.fixture
def page(browser: chromium.Browser) -> chromium.Browser:
    """A fresh visitor, on a desk, by day, with scripts."""
    browser.call("Network.clearBrowserCookies")
    browser.scripts(True)
    browser.scheme("light")
    browser.size(1200, 800)
    return browser


class Study:
    """A running `steward eval rate` of four questions, every one for every rater."""

    def __init__(self, place: Path, *more: str) -> None:
        write(place / "runs" / "zebra", folder("zebra-7b", lambda n: f"stripes {n}", 4))
        write(place / "runs" / "quokka", folder("quokka-2", lambda n: "smiles\n" * 30 + str(n), 4))
        (place / "rubric.yaml").write_text(RUBRIC)
        command = [*STEWARD, "eval", "rate", "runs/zebra", "runs/quokka", "--port", "0", "--overlap", "1", "--json"]
        self.place, log = place, place / "rate.log"
        with log.open("w") as file:
            self.process = subprocess.Popen([*command, *more], cwd=place, stdout=file, stderr=file)
        try:
            until(lambda: self.process.poll() is not None or log.read_text().endswith("}\n"), 50)
            assert self.process.poll() is None, log.read_text()
        except AssertionError:
            self.kill()
            raise
        self.invites = json.loads(log.read_text())["invites"]

    def agreement(self) -> Any:
        return json.loads(run("eval", "agreement", "study.db", "--json", cwd=self.place).stdout)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """Each test is another rater."""
    made = Study(tmp_path_factory.mktemp("shared"), "--raters", "5")
    yield made
    made.kill()


@pytest.fixture
def study(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Study]:
    """A test's own; its parameter gives more options."""
    made = Study(tmp_path, *getattr(request, "param", []))
    yield made
    made.kill()


def prefer(page: chromium.Browser, words: str) -> str:
    """The key that chooses the answer with these words."""
    return "1" if words in str(page.evaluate("document.querySelector('article .words').innerText")) else "2"


def test_a_whole_study_with_the_keyboard_alone(page: chromium.Browser, study: Study) -> None:
    """One prefers stripes, but for one task and one correction; the other never; the lead settles with both bad."""
    page.go(study.invites["r1"])
    page.until("document.activeElement.tagName === 'BUTTON'")  # the focus comes a moment after the page
    page.press("Enter", leads=True)  # the button Start has the focus
    assert "1 of 4" in page.text() and all(key in page.text() for key in ("1", "2", "3", "4"))
    page.press("3", leads=True)
    page.press("u", leads=True)  # back, and another mind
    assert page.evaluate("document.querySelector('.was').value") == "tie"
    page.press("c")
    page.type("1 and 2 are words here")
    page.press("Escape")
    page.press(prefer(page, "stripes"), leads=True)
    for _ in range(3):
        page.press(prefer(page, "stripes"), leads=True)
    assert "All 4 tasks are done" in page.text()
    page.go(study.invites["r2"])
    page.until("document.activeElement.tagName === 'BUTTON'")  # the focus comes a moment after the page
    page.press("Enter", leads=True)
    for _ in range(4):
        page.press(prefer(page, "smiles"), leads=True)
    page.go(study.invites["lead"])
    page.until("document.activeElement.tagName === 'BUTTON'")  # the focus comes a moment after the page
    page.press("Enter", leads=True)
    assert "Settle 4 disagreements" in page.text() and page.path() == "/lead"
    page.go(study.invites["lead"].partition("/invite")[0] + "/next")
    assert "Votes so far" in page.text()
    for _ in range(4):
        page.press("4", leads=True)
    assert "No disagreements to settle" in page.text()
    found = study.agreement()
    assert (found["votes"], found["corrected"], found["settled"], found["pairs"][0]["bad"]) == (13, 1, 4, 4)
    assert {one["name"]: one["value"] for one in found["agreement"]}["raw agreement"] == 0


def test_everything_works_with_scripts_off(page: chromium.Browser, shared: Study) -> None:
    """Tab to the third button and press it: what a keyboard can do in any browser."""
    page.scripts(False)
    page.go(shared.invites["r5"])
    page.until("document.activeElement.tagName === 'BUTTON'")  # the focus comes a moment after the page
    page.press("Enter", leads=True)
    page.press("1")  # no script, no key
    assert page.evaluate("!window.gone") and "1 of 4" in page.text()
    for done in range(4):
        while page.evaluate("document.activeElement.value") != "tie":
            page.press("Tab")
        page.until("document.activeElement.tagName === 'BUTTON'")  # the focus comes a moment after the page
        page.press("Enter", leads=True)
        assert (f"{done + 2} of 4" if done < 3 else "All 4 tasks are done") in page.text()
    found = shared.agreement()
    assert (found["raters"][4]["judged"], found["pairs"][0]["ties"], found["position"]["votes"] < 4) == (4, 4, True)


def test_a_key_held_down_votes_once(page: chromium.Browser, shared: Study) -> None:
    page.go(shared.invites["r1"])
    page.until("document.activeElement.tagName === 'BUTTON'")  # the focus comes a moment after the page
    page.press("Enter", leads=True)
    page.evaluate("window.left = true")
    down = {"type": "keyDown", "key": "1", "code": "Digit1", "windowsVirtualKeyCode": 49, "text": "1"}
    page.call("Input.dispatchKeyEvent", **down)
    page.until("!window.left")
    for _ in range(5):
        page.call("Input.dispatchKeyEvent", **down, autoRepeat=True)
    assert page.until("document.body.innerText.includes('2 of 4')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_cut_and_the_votes_stay_in_reach(
    page: chromium.Browser, shared: Study, scheme: str
) -> None:
    page.scheme(scheme)
    page.size(360, 640, mobile=True)
    page.go(shared.invites[{"light": "r2", "dark": "r3"}[scheme]])
    page.until("document.activeElement.tagName === 'BUTTON'")  # the focus comes a moment after the page
    page.press("Enter", leads=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    bottom = page.evaluate("document.querySelector('.votes').getBoundingClientRect().bottom")
    assert bottom <= 640, "the votes are below the edge of a long answer"
    assert page.evaluate("Math.min(...[...document.querySelectorAll('.votes button')].map(b => b.offsetHeight))") >= 40
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]") < "99"
    assert dark == (scheme == "dark") or scheme == "light"


def test_nothing_comes_from_elsewhere_and_the_policy_breaks_nothing(page: chromium.Browser, shared: Study) -> None:
    page.call("Log.enable")
    page.go(shared.invites["r4"])
    page.until("document.activeElement.tagName === 'BUTTON'")  # the focus comes a moment after the page
    page.press("Enter", leads=True)
    origin = page.evaluate("location.origin")
    loaded = page.evaluate("performance.getEntriesByType('resource').map(e => e.name)")
    assert loaded and all(name.startswith((origin, "data:")) for name in loaded)
    assert page.evaluate("getComputedStyle(document.querySelector('.answers')).display") == "grid"
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = true\">')")
    assert not page.evaluate("window.ran")


@pytest.mark.parametrize("study", [["--rubric", "rubric.yaml"]], indirect=True)
def test_a_rubric_with_digits_and_enter(page: chromium.Browser, study: Study) -> None:
    page.go(study.invites["r1"])
    page.until("document.activeElement.tagName === 'BUTTON'")  # the focus comes a moment after the page
    page.press("Enter", leads=True)
    assert "1 of 8" in page.text() and "partly" in page.text()
    for key in ("3", "2"):
        page.press(key)
    page.until("document.activeElement.tagName === 'BUTTON'")  # the focus comes a moment after the page
    page.press("Enter", leads=True)
    page.press("0", leads=True)  # skipping needs no level
    assert "3 of 8" in page.text()
    found = study.agreement()
    assert {row["criterion"]: row["value"] for row in found["levels"]} == {"right": 3, "clear": 2}
    assert found["raters"][0]["skipped"] == 1
