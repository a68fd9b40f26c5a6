"""How to install an extra from where this copy of steward came: a clone, a wheel, or an index."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
from urllib.parse import unquote, urlsplit

NAME = "llm-steward"
CPU_TORCH = (
    "pip install torch --index-url https://download.pytorch.org/whl/cpu && "  # 0.2 GB; else 6 GB of CUDA on Linux
)


def install_command(*extras: str) -> str:
    """The line to paste.

    PyTorch comes first, in its build for the CPU, where an extra needs it and it is not there.

    The source is in direct_url.json (PEP 610), which pip writes for whatever did not come from an index.
    """
    wanted = f"[{','.join(extras)}]"
    before = CPU_TORCH if "train" in extras and importlib.util.find_spec("torch") is None else ""
    try:
        text = importlib.metadata.distribution(NAME).read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:  # run from a source tree that is not installed
        return f"{before}pip install '.{wanted}'"
    return f"{before}pip install '{_describe(str(json.loads(text)['url']) if text else '', wanted)}'"


def _describe(url: str, wanted: str) -> str:
    """
    >>> _describe("file:///home/me/steward", "[load]"), _describe("", "[load]")
    ('/home/me/steward[load]', 'llm-steward[load]')
    >>> _describe("file:///tmp/llm_steward-0.2.0-py3-none-any.whl", "[load]")
    'llm-steward[load] @ file:///tmp/llm_steward-0.2.0-py3-none-any.whl'
    """
    if url.endswith((".whl", ".tar.gz")):
        return f"{NAME}{wanted} @ {url}"
    return f"{unquote(urlsplit(url).path)}{wanted}" if url.startswith("file://") else f"{NAME}{wanted}"
