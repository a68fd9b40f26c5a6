"""Pages of a console as Chromium sees them: first paint, size, rules of accessibility, HTML, the policy, other origins.

    first paint   `first-contentful-paint` of the Paint Timing API, without a cache, the median of some loads
    size          the page with its style sheets and scripts, uncompressed, as Resource Timing has it
    axe           violations of WCAG 2.2 AA and of best practice by axe-core
    HTML          what html-validate finds
    policy        `securitypolicyviolation` events; whoever else was asked: resources of another origin

The scores stand for Lighthouse's categories, which weigh the same rules of axe-core: the share of rules that apply and
are kept. Lighthouse itself is run with --lighthouse, where npm can install it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from axe import TAGS, check_html, read_axe  # noqa: E402
from chromium import Browser  # noqa: E402

LIGHTHOUSE: Final = "lighthouse@12.2.3"
LISTEN: Final = """window.violations = [];
addEventListener('securitypolicyviolation', (event) => window.violations.push(event.violatedDirective));"""
SIZES: Final = """(() => { const all = [performance.getEntriesByType('navigation')[0],
    ...performance.getEntriesByType('resource')].filter((one) => !one.name.startsWith('data:'));
  return {bytes: all.reduce((sum, one) => sum + one.decodedBodySize, 0),
    others: all.filter((one) => !one.name.startsWith(location.origin)).length,
    paint: performance.getEntriesByName('first-contentful-paint')[0]?.startTime || 0,
    violations: (window.violations || []).length}; })()"""


class PageReport(dict[str, Any]):
    """What was measured of one page."""


def measure_in_browser(url: str, bearer: str, paths: Sequence[str], loads: int = 5) -> list[PageReport]:
    """`bearer`: what the browser sends as Authorization with every request."""
    reports: list[PageReport] = []
    sources: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as place:
        browser = Browser(Path(place))
        try:
            browser.size(1280, 800)
            browser.call("Network.enable")
            browser.call("Network.setExtraHTTPHeaders", headers={"Authorization": bearer})
            browser.call("Network.setCacheDisabled", cacheDisabled=True)
            browser.call("Page.addScriptToEvaluateOnNewDocument", source=LISTEN)
            axe = read_axe()
            for path in paths:
                report = measure_page(browser, url, path, axe, loads)
                sources[path] = report.pop("source")
                reports.append(report)
                print(write_line(report), flush=True)
        finally:
            browser.close()
    errors = check_html(sources)
    print(f"HTML: {len(errors)} errors on {len(sources)} pages", *errors[:10], sep="\n", flush=True)
    for report in reports:
        report["html"] = [one for one in errors if one.startswith(f"{report['page']}:")]
    return reports


def measure_page(browser: Browser, url: str, path: str, axe: str, loads: int) -> PageReport:
    paints, found = [], {}
    for _ in range(loads):
        browser.go(url + path)
        browser.until("performance.getEntriesByName('first-contentful-paint').length")
        found = browser.evaluate(SIZES)
        paints.append(found["paint"])
    browser.evaluate("fetch(location.href).then((one) => one.text()).then((text) => { window.source = text; }); 1")
    rules = count_rules(browser, axe)
    return PageReport(
        page=path,
        first_paint_ms=statistics.median(paints),
        kb=found["bytes"] / 1000,
        other_origins=found["others"],
        policy=found["violations"],
        source=str(browser.until("window.source")),
        axe=sum(failed for _, failed in rules.values()),
        accessibility=score(rules["accessibility"]),
        best_practice=score(rules["best-practice"]),
    )


def count_rules(browser: Browser, axe: str) -> dict[str, tuple[int, int]]:
    """Rules that are kept and broken, of accessibility and of best practice."""
    browser.evaluate(f"window.axe || (() => {{ {axe} }})()")
    expression = f"""axe.run(document, {json.dumps({"runOnly": TAGS})}).then((all) => JSON.stringify(
      [all.passes, all.violations].map((kind) => kind.map((rule) => rule.tags.includes('best-practice')))))"""
    answer = browser.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
    kept, broken = json.loads(answer["result"]["value"])
    return {
        "accessibility": (kept.count(False), broken.count(False)),
        "best-practice": (kept.count(True), broken.count(True)),
    }


def score(rules: tuple[int, int]) -> float:
    """
    >>> score((19, 1))
    95.0
    """
    kept, broken = rules
    return 100.0 * kept / (kept + broken) if kept + broken else 100.0


def write_line(report: PageReport) -> str:
    return (
        f"{report['page']:44} first paint {report['first_paint_ms']:4.0f} ms  {report['kb']:4.0f} kB  "
        f"axe {report['axe']}  policy {report['policy']}  others {report['other_origins']}  "
        f"accessibility {report['accessibility']:.0f}  best practice {report['best_practice']:.0f}"
    )


def run_lighthouse(url: str, bearer: str, paths: Sequence[str], program: str) -> dict[str, dict[str, float]]:
    """Lighthouse's own scores of accessibility and best practices, by page."""
    scores = {}
    with tempfile.TemporaryDirectory() as place:
        headers = Path(place) / "headers.json"
        headers.write_text(json.dumps({"Authorization": bearer}))
        for path in paths:
            command = [
                "npx",
                "--yes",
                LIGHTHOUSE,
                url + path,
                "--quiet",
                "--output=json",
                "--no-enable-error-reporting",
            ]
            command += ["--only-categories=accessibility,best-practices", f"--extra-headers={headers}"]
            flags = "--headless --no-sandbox --disable-gpu --disable-background-networking"
            done = subprocess.run(
                [*command, f"--chrome-flags={flags}", f"--chrome-path={program}"],
                capture_output=True, text=True, check=True, timeout=180,
            )  # fmt: skip
            categories = json.loads(done.stdout)["categories"]
            scores[path] = {name: 100 * one["score"] for name, one in categories.items()}
            print(path, scores[path], flush=True)
    return scores
