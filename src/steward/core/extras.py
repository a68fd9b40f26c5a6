"""How to install an extra from where this copy of steward came: a clone, a wheel, or an index."""

from __future__ import annotations

import importlib.metadata
import json
from urllib.parse import unquote, urlsplit

NAME = "llm-steward"


def install_command(*extras: str) -> str:
    """The line to paste.

    The source is in direct_url.json (PEP 610), which pip writes for whatever did not come from an index.
    """
    wanted = f"[{','.join(extras)}]"
    try:
        text = importlib.metadata.distribution(NAME).read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:  # run from a source tree that is not installed
        return f"pip install '.{wanted}'"
    return f"pip install '{_describe(str(json.loads(text)['url']) if text else '', wanted)}'"


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
