"""How to install an extra from where this copy of steward came: a clone, a wheel, a repository, or an index; and with
which pip, since the one that the reader's shell finds may be another environment's."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

NAME = "llm-steward"
_CPU_TORCH = "torch --index-url https://download.pytorch.org/whl/cpu"  # 0.2 GB; else 6 GB of CUDA on Linux


def install_command(*extras: str) -> str:
    """The line to paste.

    PyTorch comes first, in its build for the CPU, where an extra needs it and it is not there.

    The source is in direct_url.json (PEP 610), which pip writes for whatever did not come from an index.
    """
    before = ""
    if "train" in extras and importlib.util.find_spec("torch") is None:
        before = f"{name_installer()} {_CPU_TORCH} && "
    return f"{before}{name_installer()} {_find_target(extras)}"


def install_package(requirement: str) -> str:
    """The line that installs a package which no extra of steward brings."""
    return f"{name_installer()} {shlex.quote(requirement)}"


def name_installer() -> str:
    """`pip install` of the environment that runs steward. Environments of uv and pipx have no pip of their own."""
    if _is_ours(shutil.which("pip")):
        return "pip install"
    if importlib.util.find_spec("pip") is None and shutil.which("uv") is not None:
        return f"uv pip install --python {shlex.quote(sys.executable)}"
    return f"{name_python()} -m pip install"


def name_python() -> str:
    """`python`, where the shell finds the interpreter that runs steward under this name; else its path."""
    return "python" if _is_ours(shutil.which("python")) else shlex.quote(sys.executable)


def _is_ours(program: str | None) -> bool:
    return program is not None and Path(program).parent == Path(sys.executable).parent


def _find_target(extras: Sequence[str]) -> str:
    """What pip is to install, quoted for a shell."""
    wanted = f"[{','.join(extras)}]"
    try:
        text = importlib.metadata.distribution(NAME).read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:  # run from a source tree that is not installed
        return f"-e {shlex.quote(f'{Path(__file__).parents[3]}{wanted}')}"
    source = json.loads(text) if text else {}
    path = Path(unquote(urlsplit(source.get("url", "")).path))
    if source.get("url", "").startswith("file:") and not path.exists():  # as in an image, where the wheel is gone
        return " ".join(shlex.quote(each) for each in list_requirements(importlib.metadata.requires(NAME), extras))
    return _describe(source, wanted)


def _describe(source: dict[str, Any], wanted: str) -> str:
    """
    >>> _describe({"url": "file:///home/me/steward", "dir_info": {"editable": True}}, "[load]")
    "-e '/home/me/steward[load]'"
    >>> _describe({"url": "file:///tmp/llm_steward-0.2.0-py3-none-any.whl", "archive_info": {}}, "[load]")
    "'llm-steward[load] @ file:///tmp/llm_steward-0.2.0-py3-none-any.whl'"
    >>> _describe({"url": "https://git.example/steward", "vcs_info": {"vcs": "git", "commit_id": "1f3a"}}, "[load]")
    "'llm-steward[load] @ git+https://git.example/steward@1f3a'"
    >>> _describe({}, "[load]")
    "'llm-steward[load]'"
    """
    url, vcs = source.get("url", ""), source.get("vcs_info")
    if not url:
        return shlex.quote(f"{NAME}{wanted}")
    if "subdirectory" in source:
        url += f"#subdirectory={source['subdirectory']}"
    if vcs:
        url, _, fragment = url.partition("#")
        return shlex.quote(f"{NAME}{wanted} @ {vcs['vcs']}+{url}@{vcs['commit_id']}{fragment and f'#{fragment}'}")
    if "dir_info" in source:
        option = "-e " if source["dir_info"].get("editable") else ""
        return f"{option}{shlex.quote(f'{unquote(urlsplit(url).path)}{wanted}')}"
    return shlex.quote(f"{NAME}{wanted} @ {url}")


def list_requirements(stated: list[str] | None, extras: Iterable[str]) -> list[str]:
    """What the extras bring, of what a distribution's metadata state.

    >>> list_requirements(["a>=1", "b>=2; extra == 'data'", "llm-steward[data]; extra == 'all'"], ["all"])
    ['b>=2']
    """
    wanted, found = list(extras), list[str]()
    for extra in wanted:  # grows
        for requirement, of_extra in (_split_extra(each) for each in stated or ()):
            if of_extra != extra:
                continue
            inner = re.fullmatch(rf"{NAME}\[([^]]+)\].*", requirement)
            if inner:
                wanted += [name for name in inner[1].split(",") if name not in wanted]
            elif requirement not in found:
                found.append(requirement)
    return found


def _split_extra(requirement: str) -> tuple[str, str]:
    """A requirement without the extra that brings it, and that extra."""
    what, _, marker = requirement.partition(";")
    found = re.search(r"""extra\s*==\s*["']([^"']+)["']""", marker)
    rest = re.sub(r"""(?:\s*and\s*)?extra\s*==\s*["'][^"']+["']\s*""", "", marker).strip()
    return what.strip() + (f"; {rest}" if rest else ""), found[1] if found else ""
