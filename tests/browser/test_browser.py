"""The browser that tests drive."""

from pathlib import Path

import pytest

import chromium

pytestmark = pytest.mark.skipif(chromium.found() is None, reason="no Chromium: apt-get install chromium")


def test_a_closed_browser_leaves_no_process(tmp_path: Path) -> None:
    """Debian's headless shell is a script, which ends alone where only it is asked to."""
    browser = chromium.Browser(tmp_path)
    assert chromium.is_alive(browser.process.pid)
    browser.close()
    assert not chromium.is_alive(browser.process.pid)
