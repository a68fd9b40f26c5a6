"""The pages of models, settings, access and the rest in a real Chromium, over a real deployment: accessible, whole on a
phone and without scripts; a weight changed and undone, a key revoked, two people who change one setting."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import chromium
from axe import check_html, find_violations, read_axe
from conftest import STEWARD, until
from every_page import HOME_PAGES
from steward.core.evidence import Evidence
from steward.core.identity import operator
from steward.core.records import LimitSpec
from steward.workflows import access, keys, people, prompts
from steward.workflows.serve.deployment import find_deployment

pytestmark = [
    pytest.mark.skipif(chromium.found() is None, reason="no Chromium: apt-get install chromium"),
    pytest.mark.timeout(300),
]
ME, PASSWORD = operator(os.getuid()), "a-long-enough-password"
LOOK = """[...document.querySelectorAll('body, body *')].map((one) => {
    const box = one.getBoundingClientRect(), style = getComputedStyle(one);
    return [one.tagName, box.x, box.y, box.width, box.height, style.color, style.backgroundColor].join(' '); })"""
SETTINGS = """\
gateway: {port: 0, workers: 1}
console: {port: 0}
models:
  - {name: big, backend: embedded}
  - {name: small, backend: openai, url: "http://127.0.0.1:9/v1"}
routes:
  - name: assistant
    targets: [{model: big, weight: 95}, {model: small, weight: 5}]
privacy: {profile: default}
"""


class Console:
    """A running `steward up`, with two owners and somebody who may look."""

    def __init__(self, place: Path) -> None:
        self.place, self.home = place, place / ".steward"
        (place / "steward.yaml").write_text(SETTINGS)
        self.home.mkdir()
        for name, role in (("anna", "owner"), ("berta", "owner"), ("vera", "viewer")):
            access.add_person(self.home, name, 1.0, actor=ME, role=role)
            people.set_password(self.home, name, PASSWORD, 1.0, actor=ME)
        keys.create(self.home, "web shop", LimitSpec(usd_per_month=50.0), 1.0, actor=ME, team="shop")
        audit = find_deployment(self.home).open_audit_log()
        for text in ("Be brief.", "Be kind."):
            prompts.add(self.home, "greet", prompts.PromptText(text), 1.0, actor=ME, audit=audit)
        self.store = find_deployment(self.home).open_store()
        proof = Evidence(
            id="ev_1", check="evaluation.run", subject="model big on suite shop", subject_digest="sha256:0",
            verdict="pass", value="12 items", expected="", source="runs/first", produced_at=1.0, valid_until=None,
            command="steward eval run shop.yaml", signer="operator:1",
        )  # fmt: skip
        self.store.evidence.add(proof, tenant="default")
        log = place / "up.json"
        with log.open("w") as file, (place / "up.log").open("w") as errors:
            self.process = subprocess.Popen([*STEWARD, "up", "--json"], cwd=place, stdout=file, stderr=errors)
        try:
            until(lambda: self.process.poll() is not None or log.read_text().endswith("}\n"), 60)
            assert self.process.poll() is None, (place / "up.log").read_text()
        except AssertionError:
            self.stop()
            raise
        self.url = json.loads((self.home / "run" / "state.json").read_text())["console_url"]

    def weights(self) -> list[float]:
        plan: Any = json.loads((self.home / "run" / "plan.json").read_text())
        return [target["weight"] for target in plan["routes"][0]["targets"]]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    made = Console(tmp_path_factory.mktemp("console"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Browser]:
    made = chromium.Browser(tmp_path_factory.mktemp("chromium"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def cookies(browser: chromium.Browser, console: Console) -> dict[str, Any]:
    """Of three people who have signed in: once, since signing in is limited."""
    signed_in = {}
    for name in ("anna", "berta", "vera"):
        browser.call("Network.clearBrowserCookies")
        browser.go(f"{console.url}/login")
        fill(browser, "#name", name)
        fill(browser, "#password", PASSWORD)
        press(browser, "Sign in")
        signed_in[name] = browser.read_cookies(console.url)
    return signed_in


@pytest.fixture
def page(browser: chromium.Browser, cookies: dict[str, Any]) -> chromium.Browser:
    browser.scripts(True)
    browser.scheme("light")
    browser.size(1280, 900)
    browser.set_cookies(cookies["anna"])
    return browser


def press(browser: chromium.Browser, words: str) -> None:
    """The button with these words, until the page behind it is there."""
    browser.evaluate("window.left = true")
    found = f"[...document.querySelectorAll('button')].find((one) => one.innerText.trim().startsWith({words!r}))"
    assert browser.evaluate(f"!!{found}"), browser.text()
    browser.evaluate(f"{found}.click()")
    browser.until("!window.left")


def fill(browser: chromium.Browser, selector: str, value: str) -> None:
    browser.evaluate(f"document.querySelector({selector!r}).value = {value!r}")


@pytest.fixture(scope="module")
def axe() -> str:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    return read_axe()


@pytest.mark.parametrize("path", HOME_PAGES)
def test_a_page_breaks_no_rule_of_accessibility_and_fits_a_phone(
    page: chromium.Browser, console: Console, axe: str, path: str
) -> None:
    """Loaded once: the style sheets alone know the width and the scheme, see the next test."""
    page.go(console.url + path)
    assert page.path() == path.partition("?")[0]
    for width, scheme in ((1280, "light"), (390, "dark")):
        page.size(width, 844, mobile=width < 500)
        page.scheme(scheme)
        assert find_violations(page, axe) == [], (width, scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.documentElement.outerHTML.length") < 150_000


@pytest.mark.parametrize("path", ["/usage", "/settings"])
def test_a_page_that_is_resized_and_darkened_looks_as_one_that_is_loaded_so(
    page: chromium.Browser, console: Console, path: str
) -> None:
    page.go(console.url + path)
    wide = page.evaluate(LOOK)
    page.size(390, 844, mobile=True)
    page.scheme("dark")
    changed = page.evaluate(LOOK)
    page.go(console.url + path)
    assert page.evaluate(LOOK) == changed != wide


def test_every_page_is_html(page: chromium.Browser, console: Console, axe: str) -> None:
    page.go(f"{console.url}/account")
    texts = {path: page.source(path) for path in HOME_PAGES}
    assert all("<main" in text for text in texts.values())
    assert check_html(texts) == []
    assert check_html({"broken": "<!doctype html><html lang='en'><title>x</title><p id=a><p id=a>"}) != []


@pytest.mark.parametrize("path", HOME_PAGES)
def test_a_page_is_whole_without_scripts_and_asks_nobody_else(
    page: chromium.Browser, console: Console, path: str
) -> None:
    page.go(console.url + path)
    loaded = page.evaluate("performance.getEntriesByType('resource').map((one) => one.name)")
    assert loaded and all(name.startswith((console.url, "data:")) for name in loaded)
    assert page.evaluate("document.querySelectorAll('[style], style, script:not([src])').length") == 0
    whole = page.evaluate("document.querySelectorAll('main h1, main table, main svg, main form').length")
    page.scripts(False)
    page.go(console.url + path)
    assert page.evaluate("document.querySelectorAll('main h1, main table, main svg, main form').length") == whole


@pytest.mark.parametrize("path", HOME_PAGES)
def test_everything_on_a_page_is_reached_by_the_keyboard_alone(
    page: chromium.Browser, console: Console, path: str
) -> None:
    page.go(console.url + path)
    assert page.find_unreached() == []


@pytest.mark.parametrize("scripts", [True, False])
def test_a_weight_is_changed_and_undone(page: chromium.Browser, console: Console, scripts: bool) -> None:
    page.scripts(scripts)
    page.go(f"{console.url}/models")
    fill(page, 'input[name="weight:big"]', "80")
    fill(page, 'input[name="weight:small"]', "20")
    press(page, "Compare before saving")
    assert "weight: 80}, {model: small, weight: 20}" in page.text() and console.weights() == [95, 5]
    press(page, "Save and serve")
    assert page.path() == "/models" and "The new weights serve." in page.text()
    assert console.weights() == [80, 20]
    press(page, "Undo")
    assert "The version before serves again." in page.text() and console.weights() == [95, 5]
    assert (console.place / "steward.yaml").read_text() == SETTINGS


def test_a_key_is_made_seen_once_and_revoked(page: chromium.Browser, console: Console) -> None:
    page.go(f"{console.url}/access")
    fill(page, "#name", "from the browser")
    fill(page, "#reason", "a trial")
    press(page, "Create key")
    key = page.evaluate("document.querySelector('.secret').innerText")
    assert key.startswith("stw_live_") and "only time" in page.text()
    page.go(f"{console.url}/access")
    assert key not in page.evaluate("document.documentElement.outerHTML")
    page.evaluate(
        "window.left = true; [...document.querySelectorAll('a')].find((one) => one.text == 'from the browser').click()"
    )
    page.until("!window.left")
    press(page, "Revoke")
    assert page.path() == "/access" and "The key is revoked." in page.text()
    record = next(one for one in console.store.keys.list_keys(tenant=None) if one.name == "from the browser")
    assert record.revoked_by == "person:anna"


def test_of_two_people_the_second_sees_the_change_of_the_first(
    page: chromium.Browser, console: Console, cookies: dict[str, Any]
) -> None:
    edit = f"{console.url}/settings/edit?key=gateway.queue"
    page.go(edit)
    fill(page, "#value", "100")
    press(page, "Check and compare")
    mine = page.evaluate("JSON.stringify(Object.fromEntries(new FormData(document.querySelector('main form'))))")
    page.set_cookies(cookies["berta"])
    page.go(edit)
    fill(page, "#value", "200")
    press(page, "Check and compare")
    press(page, "Save and serve")
    assert "The change is saved" in page.text()
    page.set_cookies(cookies["anna"])
    page.go(edit)
    fill(page, "#value", "100")
    press(page, "Check and compare")  # the page that anna had open all the while
    for name, value in json.loads(mine).items():
        page.evaluate(f"document.querySelector('main form [name={name}]').value = {json.dumps(value)}")
    press(page, "Save and serve")
    text = page.text()
    assert "The change that came first, by person:berta" in text and "queue: 200" in text and "queue: 100" in text
    assert "queue: 200" in (console.place / "steward.yaml").read_text()
    press(page, "Save and serve")
    assert "queue: 100" in (console.place / "steward.yaml").read_text()


def test_the_log_is_verified_on_the_page(page: chromium.Browser, console: Console) -> None:
    page.go(f"{console.url}/audit")
    press(page, "Verify now")
    assert "entries verified" in page.text()


def test_every_field_is_reached_by_the_keyboard(page: chromium.Browser, console: Console) -> None:
    page.go(f"{console.url}/access/explain")
    page.evaluate("document.querySelector('main').focus()")
    reached = []
    for _ in range(9):
        page.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.innerText"))
    assert [one for one in reached if one in ("subject", "what", "Explain")][-3:] == ["subject", "what", "Explain"]


def test_a_role_sees_what_it_opens_and_is_told_what_it_does_not(
    page: chromium.Browser, console: Console, cookies: dict[str, Any]
) -> None:
    page.set_cookies(cookies["vera"])
    page.go(f"{console.url}/models")
    assert page.evaluate("document.querySelectorAll('main form[method=post] button').length") == 0
    menu = page.evaluate("[...document.querySelectorAll('#menu li a')].map((one) => one.innerText)")
    assert "Overview" in menu and "Audit" not in menu and "Access" not in menu
    page.go(f"{console.url}/settings/edit")
    assert "Not allowed" in page.text() and "config.manage" in page.text()
    page.set_cookies(cookies["anna"])
    page.go(f"{console.url}/models")
    assert "Audit" in page.evaluate("[...document.querySelectorAll('#menu li a')].map((one) => one.innerText)")


def test_what_is_kept_of_a_person_is_saved_as_an_archive(
    page: chromium.Browser, console: Console, tmp_path: Path
) -> None:
    page.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    page.go(f"{console.url}/privacy/rights")
    fill(page, "#name", "ada@example.org")
    fill(page, "#export-reason", "she asked for it")
    page.evaluate("document.querySelector('form[action=\"/privacy/rights/export\"] button').click(); 1")
    until(lambda: (tmp_path / "person.zip").exists(), 30)
    with zipfile.ZipFile(tmp_path / "person.zip") as archive:
        assert any(name.endswith(".json") for name in archive.namelist())
        assert any(name.endswith(".html") for name in archive.namelist())
    page.go(f"{console.url}/audit?state=privacy")
    assert "privacy.export" in page.text() and "she asked for it" in page.text()


def test_a_form_outlives_its_session(page: chromium.Browser, console: Console, cookies: dict[str, Any]) -> None:
    page.go(f"{console.url}/access")
    fill(page, "#name", "typed with care")
    fill(page, "#reason", "a long reason")
    page.call("Network.clearBrowserCookies")
    press(page, "Create key")
    assert "You were signed out" in page.text()
    page.set_cookies(cookies["anna"])
    press(page, "Send it again")
    assert "only time" in page.text()
    record = next(one for one in console.store.keys.list_keys(tenant=None) if one.name == "typed with care")
    assert record.created_by == "person:anna"


def test_on_paper_a_page_is_its_content(page: chromium.Browser, console: Console) -> None:
    page.go(f"{console.url}/usage")
    page.call("Emulation.setEmulatedMedia", media="print", features=[])
    hidden = "['#menu', '.find', '.filter'].map((one) => document.querySelector(one)?.checkVisibility() || false)"
    shown = page.evaluate(hidden), page.evaluate("document.querySelector('main h1').checkVisibility()")
    page.call("Emulation.setEmulatedMedia", media="", features=[])
    assert shown == ([False, False, False], True)
