"""Style sheets and scripts: the files that lie in `console/static`, and no other path."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from steward.console.shell import Page, page_endpoint

FOLDER: Final = Path(__file__).parent.parent / "static"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript"}


def page() -> Page:
    files = {file.name: file.read_bytes() for file in sorted(FOLDER.iterdir()) if file.suffix in _TYPES}

    async def send(request: Request, who: object) -> Response:
        name = request.path_params["name"]
        if name not in files:
            return PlainTextResponse("no such file", status_code=404)
        tag = f'"{hashlib.sha256(files[name]).hexdigest()}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache"}  # a browser asks, and takes it again only when it changed
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(files[name], media_type=_TYPES[Path(name).suffix], headers=headers)

    return Page((page_endpoint("/static/{name}", "public", send),))
