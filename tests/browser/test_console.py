"""The console in a real Chromium, over a demonstration: sign-in, every page, the palette, live, an alert, a phone."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import chromium
from axe import check_html, find_violations, read_axe
from conftest import STEWARD, until
from every_page import DEMO_PAGES

pytestmark = [
    pytest.mark.skipif(chromium.found() is None, reason="no Chromium: apt-get install chromium"),
    pytest.mark.timeout(300),  # a month is filled in half a minute on an idle machine
]


class Demo:
    def __init__(self, place: Path) -> None:
        log = place / "up.log"
        command = [*STEWARD, "up", "--demo", "--home", str(place / "home"), "--port", "0", "--console-port", "0"]
        with log.open("w") as file:
            self.process = subprocess.Popen(
                [*command, "--workers", "1", "--json"], cwd=place, stdout=file, stderr=subprocess.DEVNULL
            )
        until(lambda: self.process.poll() is not None or log.read_text().endswith("}\n"), 200)
        record = json.loads(log.read_text())
        self.url, self.gateway, self.key = record["console_url"], record["gateway_url"], record["key"]
        self.token = Path(record["token_file"]).read_text().strip()

    def ask(self) -> None:
        """One request to the gateway."""
        body = json.dumps({"model": "assistant", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2})
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.gateway}/v1/chat/completions", body.encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = Demo(tmp_path_factory.mktemp("demo"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Browser]:
    opened = chromium.Browser(tmp_path_factory.mktemp("chromium"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def cookies(browser: chromium.Browser, demo: Demo) -> list[dict[str, Any]]:
    """Of somebody who has signed in by the form."""
    browser.go(f"{demo.url}/login")
    browser.evaluate(f"document.getElementById('token').value = {json.dumps(demo.token)}; 1")
    browser.evaluate("document.getElementById('token').form.requestSubmit(); 1")
    browser.until("location.pathname === '/'")
    return browser.read_cookies(demo.url)


@pytest.fixture
def page(browser: chromium.Browser, cookies: list[dict[str, Any]]) -> chromium.Browser:
    """Signed in, on a desk, by day, with scripts."""
    browser.set_cookies(cookies)
    browser.scripts(True)
    browser.scheme("light")
    browser.size(1280, 800)
    return browser


@pytest.fixture(scope="module")
def axe() -> str:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    return read_axe()


def test_axe_notices_what_is_wrong(page: chromium.Browser, demo: Demo, axe: str) -> None:
    page.go(demo.url)
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=\"/static/x\">'); 1")
    assert any(one.startswith("image-alt") for one in find_violations(page, axe))


@pytest.mark.parametrize("path", DEMO_PAGES)
def test_a_page_has_no_violation_and_fits_by_day_by_night_and_on_a_phone(
    page: chromium.Browser, demo: Demo, axe: str, path: str
) -> None:
    """Loaded once: the style sheets alone know the width and the scheme, see the test of a page that is resized."""
    page.go(demo.url + path)
    for scheme, width, height in (("light", 1280, 800), ("dark", 1280, 800), ("light", 390, 844), ("dark", 390, 844)):
        page.scheme(scheme)
        page.size(width, height, mobile=width < 500)
        assert find_violations(page, axe) == [], (scheme, width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (scheme, width)


@pytest.mark.parametrize("path", DEMO_PAGES)
def test_a_page_asks_no_other_origin_and_breaks_no_policy(page: chromium.Browser, demo: Demo, path: str) -> None:
    page.go(demo.url + path)
    loaded = page.evaluate("performance.getEntriesByType('resource').map((one) => one.name)")
    assert loaded and all(name.startswith((demo.url, "data:")) for name in loaded)
    assert page.evaluate("document.querySelectorAll('[style], style, script:not([src])').length") == 0
    assert page.evaluate("getComputedStyle(document.querySelector('#menu')).display") == "flex"


@pytest.mark.parametrize("path", DEMO_PAGES)
def test_a_page_is_whole_without_scripts(page: chromium.Browser, demo: Demo, path: str) -> None:
    page.go(demo.url + path)
    whole = page.evaluate("document.querySelectorAll('main h1, main table, main svg').length")
    page.scripts(False)
    page.go(demo.url + path)
    assert page.evaluate("document.querySelectorAll('main h1, main table, main svg').length") == whole


@pytest.mark.parametrize("path", DEMO_PAGES)
def test_everything_on_a_page_is_reached_by_the_keyboard_alone(page: chromium.Browser, demo: Demo, path: str) -> None:
    page.go(demo.url + path)
    page.evaluate("document.getElementById('pause')?.click(); 1")  # so that nothing is replaced on the way
    missed = page.find_unreached()
    page.evaluate("sessionStorage.removeItem('paused'); 1")
    assert missed == []


def test_every_page_is_html(page: chromium.Browser, demo: Demo, axe: str) -> None:
    page.go(f"{demo.url}/display")
    texts = {path: page.source(path) for path in DEMO_PAGES}
    assert all("<main" in text and len(text) < 150_000 for text in texts.values())
    assert check_html(texts) == []


def test_the_palette_goes_to_a_page_by_the_keyboard_alone(page: chromium.Browser, demo: Demo) -> None:
    page.go(demo.url)
    page.press("/")
    page.until("document.getElementById('palette').open")
    page.type("traf")
    page.until("document.querySelector('#palette-list li')?.innerText.includes('Traffic')")
    page.press("Enter", leads=True)
    assert page.path() == "/traffic"


def test_a_key_is_found_and_a_click_narrows_the_traffic(page: chromium.Browser, demo: Demo) -> None:
    page.go(f"{demo.url}/search?q=webshop&go=1")
    assert page.path() == "/traffic" and "key: webshop" in page.text()


def test_a_new_request_is_seen_without_a_reload(page: chromium.Browser, demo: Demo) -> None:
    page.go(f"{demo.url}/requests?range=1h")
    before = page.evaluate("document.querySelectorAll('tbody tr').length")
    page.evaluate("window.stays = true")
    demo.ask()
    page.until(f"document.querySelectorAll('tbody tr').length > {before}", 60)
    assert page.evaluate("window.stays") is True


def test_a_page_that_is_paused_stands_still(page: chromium.Browser, demo: Demo) -> None:
    page.go(f"{demo.url}/requests?range=1h")
    page.evaluate("document.getElementById('pause').click(); 1")
    assert page.evaluate("document.getElementById('pause').textContent") == "Go on"
    page.evaluate("document.getElementById('pause').click(); 1")


def test_a_chart_is_read_with_the_keyboard(page: chromium.Browser, demo: Demo) -> None:
    page.go(f"{demo.url}/traffic?range=30d")
    page.evaluate("document.querySelector('figure.chart svg').focus(); 1")
    page.press("Home")
    assert "answered" in page.until("document.querySelector('.tip:not([hidden])')?.textContent")
    page.evaluate("document.querySelector('.legend button').click(); 1")
    assert page.evaluate("document.querySelector('.legend button').getAttribute('aria-pressed')") == "false"


def test_an_alert_is_silenced_in_two_clicks(page: chromium.Browser, demo: Demo) -> None:
    page.go(demo.url)
    page.evaluate("document.querySelector('#menu a[href=\"/alerts\"]').click(); 1")
    page.until("document.querySelector('form[action=\"/silences\"] button') !== null")
    page.evaluate("document.querySelector('form[action=\"/silences\"] button').click(); 1")
    assert page.until("document.body.innerText.includes('Silenced alerts are kept and not told.')")


def test_the_menu_of_a_phone_opens_without_scripts(page: chromium.Browser, demo: Demo) -> None:
    page.scripts(False)
    page.size(390, 844, mobile=True)
    page.go(f"{demo.url}/traffic#menu")
    assert page.evaluate("getComputedStyle(document.querySelector('#menu')).display") == "flex"


def test_the_reader_chooses_a_zone_and_a_theme(page: chromium.Browser, demo: Demo) -> None:
    page.go(f"{demo.url}/display")
    page.evaluate("document.getElementById('zone').value = 'Asia/Tokyo'; 1")
    page.evaluate("document.querySelector('input[value=dark]').click(); 1")
    page.evaluate("document.querySelector('main form').requestSubmit(); 1")
    page.until("document.documentElement.dataset.theme === 'dark'")
    page.go(f"{demo.url}/traffic")
    assert "Asia/Tokyo" in page.text()
