"""A real Chromium, driven through its DevTools protocol: pages, keys, sizes, pictures."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

# the same engine without the window around it comes first: two thirds of the processor time of the whole browser
SHELLS = ("chromium-headless-shell", "chrome-headless-shell")
NAMES = (*SHELLS, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-port=0",
)  # fmt: skip
KEYS = {
    "Enter": ("Enter", 13, "\r"), "Escape": ("Escape", 27, ""), "Tab": ("Tab", 9, ""), " ": ("Space", 32, " "),
    "/": ("Slash", 191, "/"), "Home": ("Home", 36, "")}  # fmt: skip

REACHABLE = """[...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')]
    .filter((one) => one.checkVisibility() && one.offsetParent !== null && !one.disabled && one.tabIndex >= 0
      && !(one.type === 'radio' && !one.checked))"""


def found() -> str | None:
    """The browser's path, where there is one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page. Methods block; ended by `close`."""

    def __init__(self, folder: Path) -> None:
        program = found()
        assert program, "no Chromium on this machine"
        # a folder of its own: the profile's path must be short, or its socket cannot be made
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        command = [program, *FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"]
        with (folder / "chromium.log").open("w") as log:
            # a group of its own: Debian's headless shell is a script, which would end alone and leave the browser
            self.process = subprocess.Popen(command, stdout=log, stderr=log, process_group=0)
        self._runner, self._numbers = asyncio.Runner(), itertools.count(1)
        self._runner.run(self._connect(Path(self._profile.name) / "DevToolsActivePort"))
        self.call("Page.enable")

    async def _connect(self, place: Path) -> None:
        limit = time.monotonic() + 50
        while not place.exists() or not place.read_text().strip():
            assert self.process.poll() is None and time.monotonic() < limit, "Chromium did not start"
            await asyncio.sleep(0.05)
        port = place.read_text().split()[0]
        self._session = aiohttp.ClientSession()
        async with self._session.get(f"http://127.0.0.1:{port}/json/list") as answer:
            pages = [page for page in await answer.json() if page["type"] == "page"]
        self._socket = await self._session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0)

    def call(self, method: str, **given: Any) -> dict[str, Any]:
        """One command of the protocol. :raises AssertionError: the browser refused it"""
        return self._runner.run(self._call((method, given)))

    async def _call(self, *commands: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        """What the last of the commands answers, which are sent together and done in order."""
        waiting: set[int] = set()
        for method, given in commands:
            waiting.add(number := next(self._numbers))
            await self._socket.send_json({"id": number, "method": method, "params": given})
        result: dict[str, Any] = {}
        while waiting:
            said: dict[str, Any] = await self._socket.receive_json(timeout=60)
            if said.get("id") in waiting:
                assert "error" not in said, said
                waiting.remove(said["id"])
                result = said["result"] if said["id"] == number else result
        return result

    def evaluate(self, expression: str) -> Any:
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def until(self, expression: str, seconds: float = 60.0) -> Any:
        """The expression's first true value; None of what a page being left says counts."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            try:
                if value := self.evaluate(f"document.readyState === 'complete' && ({expression})"):
                    return value
            except AssertionError as error:
                if "navigated or closed" not in str(error):  # asked in the moment in which the page changed
                    raise
            time.sleep(0.02)
        raise AssertionError(f"never true: {expression}\n{self.text()}")

    def go(self, url: str) -> None:
        """Until the page is there, whatever stood there before."""
        self.evaluate("window.left = true")
        assert "errorText" not in self.call("Page.navigate", url=url)
        self.until("!window.left")

    def text(self) -> str:
        """What a reader sees."""
        return str(self.evaluate("document.body.innerText"))

    def source(self, url: str) -> str:
        """The page as the server sends it to who is signed in here, asked from a page of the same origin."""
        ask = f"fetch({json.dumps(url)}).then((one) => one.text())"
        return str(self.call("Runtime.evaluate", expression=ask, awaitPromise=True)["result"]["value"])

    def read_cookies(self, url: str) -> list[dict[str, Any]]:
        names = ("name", "value", "domain", "path", "httpOnly", "sameSite")
        cookies = self.call("Network.getCookies", urls=[url])["cookies"]
        return [{name: cookie[name] for name in names if name in cookie} for cookie in cookies]

    def set_cookies(self, cookies: list[dict[str, Any]]) -> None:
        """These and no others: another visitor, who need not sign in again."""
        self.call("Network.clearBrowserCookies")
        self.call("Network.setCookies", cookies=cookies)

    def find_unreached(self) -> list[str]:
        """What a keyboard alone does not reach by Tab. Of radio buttons it reaches the chosen one, and arrows the
        others."""
        self.evaluate("document.addEventListener('focusin', (event) => { event.target.reached = true; }); 1")
        missing = f"{REACHABLE}.filter((one) => !one.reached).length"
        left = int(self.evaluate(missing)) + 60  # charts, and tables that scroll, are stops too
        while left > 0 and (count := min(left, int(self.evaluate(missing)))):
            self._runner.run(self._call(*_list_strokes("Tab") * count))
            left -= count
        missed: list[str] = self.evaluate(f"{REACHABLE}.filter((one) => !one.reached).map((one) => one.outerHTML)")
        return missed

    def path(self) -> str:
        return str(self.evaluate("location.pathname"))

    def press(self, key: str, leads: bool = False) -> None:
        """One key, down and up. With `leads`, until the page that follows is there."""
        self.evaluate("window.left = true")
        for method, given in _list_strokes(key):
            self.call(method, **given)
        if leads:
            self.until("!window.left")

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def size(self, width: int, height: int, mobile: bool = False) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def scheme(self, name: str) -> None:
        """ "light" or "dark"."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def scripts(self, on: bool) -> None:
        """Of pages; what tests evaluate runs all the same."""
        self.call("Emulation.setScriptExecutionDisabled", value=not on)

    def shot(self, path: Path, whole: bool = False) -> None:
        """A PNG of what is visible, or of the whole page."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self) -> None:
        async def end() -> None:
            await self._socket.close()
            await self._session.close()

        self._runner.run(end())
        self._runner.close()
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(60)
        limit = time.monotonic() + 10
        while is_alive(self.process.pid) and time.monotonic() < limit:
            time.sleep(0.02)
        self._profile.cleanup()


def is_alive(group: int) -> bool:
    """Whether processes of a group are left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _list_strokes(key: str) -> list[tuple[str, dict[str, Any]]]:
    """The commands that press and release a key."""
    name, code, text = KEYS[key] if key in KEYS else (f"Key{key.upper()}", ord(key.upper()), key)
    common = {"key": key, "code": name, "windowsVirtualKeyCode": code}
    down = {"type": "keyDown", **common, **({"text": text} if text else {})}
    return [("Input.dispatchKeyEvent", down), ("Input.dispatchKeyEvent", {"type": "keyUp", **common})]
