"""`steward login|logout|api`: another machine's console, as yourself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import JsonOption, show_json, show_lines
from steward.cli.terminal_text import write_note
from steward.core.errors import InputError

if TYPE_CHECKING:
    from steward.workflows.remote import RemoteSession


def login(
    url: Annotated[str, typer.Argument(help="Address of the console, such as https://steward.example:8081.")],
    name: Annotated[str | None, typer.Option(help="Your name there, to sign in with a password.")] = None,
    device: Annotated[
        bool, typer.Option("--device", help="Sign in at the console's identity provider: enter a code in any browser.")
    ] = False,
    code: Annotated[str, typer.Option(help="Code of your authenticator app, if you have one.")] = "",
    project: Annotated[str | None, typer.Option(help="See and do only what belongs to this project.")] = None,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the password from standard input.")] = False,
    json: JsonOption = False,
) -> None:
    """Sign in to a console, for `steward api`. The session lasts eight hours, or as long as the console says."""
    import sys

    from steward.workflows import remote

    if device == (name is not None):
        raise InputError("give one of --name NAME, for a password, and --device, for the console's identity provider")
    if name is None:
        session = _enter_code(url, project)
    else:
        password = sys.stdin.readline().rstrip("\n") if stdin else typer.prompt("Password", hide_input=True)
        session = remote.sign_in(url, name, password, code, time.time(), project)
    remote.save_session(session, remote.session_file())
    if json:
        shown = {"url": session.url, "name": session.name, "project": project, "expires_at": session.expires_at}
        show_json(shown)
    else:
        show_lines([f"Signed in to {session.url} as {session.name}. Try: steward api GET /keys"])


def _enter_code(url: str, project: str | None) -> RemoteSession:
    """Say which code to enter where, and wait until somebody did."""
    from steward.workflows import remote

    prompt = remote.begin_device(url)
    write_note(f"Open {prompt.verification_uri} in any browser and enter the code {prompt.user_code}")
    if prompt.verification_uri_complete:
        write_note(f"Or open {prompt.verification_uri_complete}")
    write_note(f"Waiting for {prompt.expires_in / 60:.0f} minutes at most. Ctrl-C ends it.")
    return remote.finish_device(url, prompt, project)


def logout(json: JsonOption = False) -> None:
    """End the session of `steward login`."""
    from steward.workflows import remote

    file = remote.session_file()
    session = remote.load_session(file, time.time())
    remote.sign_out(session, file)
    if json:
        show_json({"url": session.url, "name": session.name})
    else:
        show_lines([f"Signed out of {session.url}."])


def api(
    method: Annotated[str, typer.Argument(help="GET, POST or DELETE.")],
    path: Annotated[str, typer.Argument(help="Path below /api/v1, such as /keys or /usage?by=key.")],
    data: Annotated[str | None, typer.Option(help="Body as JSON.")] = None,
    json: JsonOption = False,
) -> None:
    """Ask the administrative API of the console that you are signed in to."""
    import msgspec

    from steward.workflows import remote

    session = remote.load_session(remote.session_file(), time.time())
    answer = remote.call(session, method.upper(), path, data.encode() if data is not None else None)
    if json or not isinstance(answer, list):
        show_json(answer)
    else:
        show_lines(msgspec.json.encode(item).decode() for item in answer)
