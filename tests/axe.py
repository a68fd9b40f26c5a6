"""axe-core, which finds what people with a keyboard, a screen reader or weak eyes cannot use, and html-validate, which
finds what is no HTML; from npm, made once."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chromium import Browser
from steward.core.files import hold_lock

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "tests" / "browser" / "axe"
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


def read_axe() -> str:
    """Its text. :raises subprocess.CalledProcessError: npm cannot install it"""
    return (install_tools() / "node_modules" / "axe-core" / "axe.min.js").read_text()


def check_html(pages: Mapping[str, str]) -> list[str]:
    """What is no HTML in the texts of `pages`, by the page's name."""
    tools = install_tools()
    with tempfile.TemporaryDirectory() as place:
        names = {}
        for number, (name, text) in enumerate(pages.items()):
            file = Path(place) / f"{number}.html"
            file.write_text(text)
            names[str(file)] = name
        program = [str(tools / "node_modules" / ".bin" / "html-validate"), "-f", "json"]
        command = [*program, "--config", str(SOURCE / "htmlvalidate.json"), *names]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    reports: Any = json.loads(done.stdout)
    return [
        f"{names[one['filePath']]}:{message['line']}: {message['message']} ({message['ruleId']})"
        for one in reports
        for message in one["messages"]
    ]


def install_tools() -> Path:
    """The folder that holds them. :raises subprocess.CalledProcessError: npm cannot install them"""
    digest = hashlib.sha256((SOURCE / "package-lock.json").read_bytes()).hexdigest()[:12]
    folder = ROOT / "build" / f"axe-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "node_modules" / ".package-lock.json"  # what npm writes last
    with hold_lock(folder / "lock"):  # of several processes of tests, one installs
        if not done.exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(SOURCE / name, folder / name)
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True, timeout=200)
    return folder


def find_violations(browser: Browser, axe: str) -> list[str]:
    """What the page that stands there breaks: rule, and the elements that break it."""
    if not browser.evaluate("!!window.axe"):  # half a megabyte, which each page reads once
        browser.evaluate(f"(() => {{ {axe} }})()")
    options = json.dumps({"runOnly": TAGS, "resultTypes": ["violations"]})
    answer: Any = browser.call(
        "Runtime.evaluate",
        expression=f"axe.run(document, {options}).then((found) => JSON.stringify(found.violations))",
        awaitPromise=True,
        returnByValue=True,
    )
    violations = json.loads(answer["result"]["value"])
    return [f"{one['id']}: {[node['html'][:160] for node in one['nodes']][:4]}" for one in violations]
