"""Advisory 30, CVE-2025-62727, -54121, CVE-2024-47874, CVE-2026-48710: Starlette's ranges, forms and Host."""

from __future__ import annotations

import ast
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from admin_client import app_of
from console_client import ask
from source_facts import list_trees, scans_source

ROOT = Path(__file__).parents[2]
FLOORS = {"starlette": (1, 3, 1), "python-multipart": (0, 0, 31), "jinja2": (3, 1, 6), "cryptography": (46, 0, 5)}


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


@pytest.mark.parametrize("name", FLOORS)
def test_no_older_release_can_be_installed(name: str) -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (floor,) = [numbers(line.partition(">=")[2].partition(",")[0]) for line in wanted if line.startswith(f"{name}>=")]
    assert floor >= FLOORS[name] and numbers(version(name)) >= floor


@pytest.mark.timeout(20)
def test_ranges_are_not_worked_out(tmp_path: Path) -> None:
    ranges = "bytes=" + ",".join(f"{number}-" for number in range(20_000))
    status, headers, _ = ask(app_of(tmp_path), "GET", "/static/console.css", range=ranges)
    assert status in (200, 404) and "content-range" not in headers


@scans_source
def test_nothing_is_decided_by_an_address_that_the_client_made_up() -> None:
    """`request.url` is put together from the Host header, its path too."""
    for path, tree in list_trees("console").items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                assert ast.unparse(node) not in ("request.url", "request.base_url"), f"{path}:{node.lineno}"
