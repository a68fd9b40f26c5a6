"""Pictures of every page of the console, light, dark and on a phone, from a demonstration that it starts.

    python scripts/screenshots.py --out build/screenshots        needs Chromium; about five minutes
    python scripts/screenshots.py --readme                       also those of the README, into docs/images

With --url and --token it looks at a console that runs already.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import chromium  # noqa: E402  the browser that tests drive, too

SIZES: Final = (("light", 1280, 800), ("dark", 1280, 800), ("light", 390, 844), ("dark", 390, 844))
MORE: Final = (  # beside what the navigation links
    "/alerts/demo-incident", "/releases/rel_00000000de30", "/data/ev_000000000000000000000041",
    "/access/people", "/access/roles", "/access/sessions",
    "/settings/history", "/settings/approvals", "/readiness/controls", "/display", "/privacy/rights",
    "/privacy/retention", "/prompts/assistant", "/playground", "/search?q=a", "/settings/edit?key=gateway.queue",
    "/access/explain?subject=webshop&what=infer",
)  # fmt: skip
OWNER, PASSWORD = "anna", "made up: correct horse battery"
WALL: Final = "/?wall=1&range=30d"
FIRST: Final = (  # the first link of a page
    ("request", "/requests", "table a[href^='/requests/']"),
    ("experiment", "/training", "a[href^='/training/']"),
    ("key", "/access", "a[href^='/access/keys/']"),
    ("traffic-beside-a-version", "/traffic?range=30d", "a[href*='beside=']"),
)
README: Final = (
    ("console-overview", "light", "/?range=30d"),
    ("console-overview-dark", "dark", "/?range=30d"),
    ("console-traffic", "light", "/traffic?range=30d"),
    ("console-alert", "light", "/alerts/demo-incident"),
)


def add_owner(home: str) -> None:
    """A person who may open every page."""
    steward = [sys.executable, "-m", "steward", "users"]
    subprocess.run([*steward, "add", OWNER, "--role", "owner", "--home", home], check=True, stdout=subprocess.DEVNULL)
    command = [*steward, "password", OWNER, "--stdin", "--home", home]
    subprocess.run(command, input=f"{PASSWORD}\n", text=True, check=True, stdout=subprocess.DEVNULL)


def sign_in(browser: chromium.Browser, url: str, token: str) -> None:
    """With `token`; without, as the owner of the demonstration."""
    fields = {"token": token} if token else {"name": OWNER, "password": PASSWORD}
    browser.go(f"{url}/login")
    for name, value in fields.items():
        browser.evaluate(f"document.getElementById({json.dumps(name)}).value = {json.dumps(value)}; 1")
    browser.evaluate(f"document.getElementById({json.dumps([*fields][-1])}).form.requestSubmit(); 1")
    browser.until("location.pathname === '/'")


@contextmanager
def start_demo() -> Iterator[str]:
    """URL of a console over a fresh demonstration."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        log = Path(place) / "up.json"
        command = [sys.executable, "-m", "steward", "up", "--demo", "--home", f"{place}/home", "--port", "0"]
        with log.open("w") as file:
            process = subprocess.Popen([*command, "--console-port", "0", "--workers", "1", "--json"], stdout=file)
        try:
            while not log.read_text().endswith("}\n"):
                if process.poll() is not None:
                    raise SystemExit("the demonstration did not start; what it said stands above")
                time.sleep(0.2)
            record = json.loads(log.read_text())
            add_owner(f"{place}/home")
            yield str(record["console_url"])
        finally:
            process.terminate()
            process.wait(30)


def find_link(browser: chromium.Browser, page: str, selector: str) -> str:
    """Where the first link of a page leads that `selector` finds; empty where there is none, as in a new deployment."""
    browser.go(page)
    return str(
        browser.evaluate(f"(a => a ? a.pathname + a.search : '')(document.querySelector({json.dumps(selector)}))")
    )


def take_pictures(url: str, token: str, out: Path, readme: bool) -> int:
    out.mkdir(parents=True, exist_ok=True)
    browser = chromium.Browser(out)
    taken = 0
    try:
        browser.size(1280, 800)
        sign_in(browser, url, token)
        links = browser.evaluate("[...document.querySelectorAll('#menu a[href^=\"/\"]')].map((a) => a.pathname)")
        named = {(path.strip("/").split("?")[0].replace("/", "-") or "overview"): path for path in (*links, *MORE)}
        found = {name: find_link(browser, url + page, selector) for name, page, selector in FIRST}
        named |= {name: path for name, path in found.items() if path}
        for name, path in ({**named, "wall": WALL}).items():
            address = f"{path}?range=30d" if path in ("/", "/traffic") else path
            for scheme, width, height in SIZES:
                browser.scheme(scheme)
                browser.size(width, height, mobile=width < 500)
                browser.go(url + address)
                browser.shot(out / f"{name}-{scheme}-{width}.png", whole=True)
                taken += 1
            print(f"{path}: {len(SIZES)} pictures", flush=True)
        for name, scheme, address in README if readme else ():
            browser.scheme(scheme)
            browser.size(1280, 860)
            browser.go(url + address)
            browser.shot(ROOT / "docs" / "images" / f"{name}.png")
            taken += 1
    finally:
        browser.close()
        (out / "chromium.log").unlink(missing_ok=True)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "screenshots")
    parser.add_argument("--readme", action="store_true", help="also write the pictures of the README")
    parser.add_argument("--url")
    parser.add_argument("--token")
    arguments = parser.parse_args()
    if chromium.found() is None:
        raise SystemExit("no Chromium; apt-get install chromium")
    if arguments.url:
        taken = take_pictures(arguments.url.rstrip("/"), arguments.token or "", arguments.out, arguments.readme)
    else:
        with start_demo() as url:
            taken = take_pictures(url, "", arguments.out, arguments.readme)
    print(f"{taken} pictures in {arguments.out}")


if __name__ == "__main__":
    main()
