"""`steward chat`: a conversation with the running gateway, streamed."""

from __future__ import annotations

import json as jsonlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from steward.cli.common import HomeOption, JsonOption, find_home, open_console, read_state, show_json
from steward.cli.status import is_answering
from steward.cli.terminal_text import neutralise, neutralise_for_terminal
from steward.core.errors import InputError, StewardError, Unavailable

if TYPE_CHECKING:
    import http.client


def chat(
    text: Annotated[str | None, typer.Argument(help="What to say; without it, a conversation.")] = None,
    model: Annotated[str | None, typer.Option(help="Model or route; the first model by default.")] = None,
    url: Annotated[str | None, typer.Option(help="Another gateway than the one of --home.")] = None,
    temperature: Annotated[
        float, typer.Option(min=0, max=2, help="Sampling temperature; 0 always gives the likeliest answer.")
    ] = 0.0,
    key: Annotated[str | None, typer.Option(help="Key; else STEWARD_KEY, else the first one of --home.")] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Ask the model behind the running gateway."""
    folder = find_home(home) if url is None or not (key or os.environ.get("STEWARD_KEY")) else None
    state = read_state(folder) if folder is not None and url is None else {}
    address, name = url or state["gateway_url"], model or (state.get("models") or ["starter"])[0]
    certificate = state.get("gateway_certificate")
    if state:
        _wait_until_ready(address, certificate)
    secret = key or os.environ.get("STEWARD_KEY") or _find_first_key(folder)
    messages: list[dict[str, str]] = []
    for line in [text] if text is not None else _lines():
        messages.append({"role": "user", "content": line})
        answer = _ask(_Server(address, secret, certificate), name, messages, temperature, quiet=json)
        messages.append({"role": "assistant", "content": answer["answer"]})
        if json:
            show_json(answer)


def _find_first_key(folder: Path | None) -> str:
    try:
        return ((folder or Path()) / "first-key").read_text().strip()
    except OSError as error:
        raise InputError(
            "no key: give --key, set STEWARD_KEY, or make one with `steward keys create --name me`"
        ) from error


def _wait_until_ready(url: str, certificate: str | None, seconds: float = 15.0) -> None:
    """A deployment that has just started is waited for; one that stays unready says itself why, when asked."""
    limit = time.monotonic() + seconds
    while not is_answering(url, certificate) and time.monotonic() < limit:
        time.sleep(0.1)


def _lines() -> Iterator[str]:
    while True:
        try:
            line = input("\n› " if sys.stdin.isatty() else "")
        except EOFError:
            return
        if line.strip():
            yield line


class _Server(NamedTuple):
    """Whom to ask, with which key; `certificate`: the file of the one that it is served with, None: any trusted one."""

    url: str
    key: str
    certificate: str | None

    def connect(self) -> http.client.HTTPConnection:
        import http.client
        from urllib.parse import urlsplit

        from steward.core.tls import build_pinned_context

        parts = urlsplit(self.url)
        if parts.scheme != "https":
            return http.client.HTTPConnection(parts.netloc, timeout=600)
        context = build_pinned_context(Path(self.certificate)) if self.certificate else None
        return http.client.HTTPSConnection(parts.netloc, timeout=600, context=context)


def _ask(
    server: _Server, model: str, messages: list[dict[str, str]], temperature: float, quiet: bool
) -> dict[str, Any]:
    """One streamed answer, printed as it comes. :raises StewardError: what the gateway said was wrong"""
    connection = server.connect()
    body = {"model": model, "messages": messages, "temperature": temperature}
    body |= {"stream": True, "stream_options": {"include_usage": True}}
    started = time.perf_counter()
    try:
        headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/chat/completions", jsonlib.dumps(body), headers)
        response = connection.getresponse()
        if response.status != 200:
            raise _problem(response.status, response.read())
        return _stream(response, model, started, quiet)
    except OSError as error:
        raise Unavailable(f"{server.url}: {error.strerror or error}; is `steward up` running?") from error
    finally:
        connection.close()


def _stream(response: http.client.HTTPResponse, model: str, started: float, quiet: bool) -> dict[str, Any]:
    answer, ttft_s, usage = "", None, None
    for line in response:
        if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
            continue
        chunk = jsonlib.loads(line[6:])
        if chunk.get("error"):
            raise Unavailable(chunk["error"]["message"])
        usage = chunk.get("usage") or usage
        for choice in chunk["choices"]:
            piece = choice["delta"].get("content") or ""
            if piece and ttft_s is None:
                ttft_s = time.perf_counter() - started
            answer += piece
            if not quiet:
                sys.stdout.write(neutralise_for_terminal(piece))
                sys.stdout.flush()
    duration_s = time.perf_counter() - started
    if not quiet:
        sys.stdout.write("\n")
        if sys.stdout.isatty():
            open_console().print(neutralise(footer(model, usage, ttft_s, duration_s)), style="dim", markup=False)
    return {"model": model, "answer": answer, "ttft_s": ttft_s, "duration_s": duration_s, "usage": usage}


def footer(model: str, usage: dict[str, Any] | None, ttft_s: float | None, duration_s: float) -> str:
    """What a person may want to know of an answer, in one line under it.

    >>> footer("starter", {"completion_tokens": 18}, 0.012, 0.05)
    'starter · 18 tokens · first after 12 ms · 50 ms in all'
    """
    tokens = [f"{usage['completion_tokens']} tokens"] if usage else []
    first = [f"first after {ttft_s * 1000:.0f} ms"] if ttft_s is not None else []
    return " · ".join([model, *tokens, *first, f"{duration_s * 1000:.0f} ms in all"])


def _problem(status: int, body: bytes) -> StewardError:
    try:
        message = jsonlib.loads(body)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = f"HTTP {status}"
    return (InputError if status < 500 and status != 429 else Unavailable)(message)
