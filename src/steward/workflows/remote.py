"""Asking the administrative API of another machine's console, as somebody who has signed in there.

The session stands in a file of the user's alone (0600), and lasts as long as one of a browser.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec

from steward.core.access import SessionLimits
from steward.core.addresses import refuse_credentials
from steward.core.errors import InputError, Unavailable
from steward.core.fetch import open_url
from steward.core.files import OTHERS, make_private_folder, quote_path, read_mode, write_file
from steward.workflows.people import TOKEN_PREFIX
from steward.workflows.serve.issuer_keys import is_safe
from steward.workflows.single_sign_on import DevicePrompt

TIMEOUT_S: Final = 30.0
PREFIX: Final = "/api/v1"


class RemoteSession(msgspec.Struct, frozen=True):
    """Who has signed in where; the token never prints."""

    url: str
    name: str
    token: str
    expires_at: float  # by this machine's clock
    project: str | None = None  # that it acts in

    def __repr__(self) -> str:
        return f"RemoteSession(url={self.url!r}, name={self.name!r}, token=***)"


class DeviceAnswer(msgspec.Struct, frozen=True):
    """What a console says to a command that waits for a code to be entered."""

    token: str = ""  # empty: not yet
    name: str = ""
    expires_in: float = 0.0
    later_s: float = 0.0  # by which the next question shall come later

    def __repr__(self) -> str:
        return f"DeviceAnswer(name={self.name!r}, token=***)"


def session_file(environ: Mapping[str, str] = os.environ) -> Path:
    """`steward/session.json` in the user's folder for settings (XDG Base Directory)."""
    base = environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "steward" / "session.json"


def sign_in(url: str, name: str, password: str, code: str, now: float, project: str | None = None) -> RemoteSession:
    """:raises InputError: no safe address, or the console refuses :raises Unavailable: it does not answer"""
    base = refuse_credentials(url, "name and password are asked for").rstrip("/")
    if not is_safe(base) or not urlsplit(base).hostname:
        raise InputError(f"{url}: expected https://HOST; the password would cross the network in the clear")
    form = urlencode({"name": name, "password": password, "code": code}).encode()
    request = urllib.request.Request(f"{base}/login", form)
    try:
        with open_url(request, TIMEOUT_S):
            raise Unavailable(f"{base}: this is no console of steward")
    except urllib.error.HTTPError as error:
        with error:
            session = _find_session(error.headers.get_all("set-cookie") or ())
            status = error.code
    except OSError as error:
        raise Unavailable(f"{base}: no answer ({getattr(error, 'reason', error)})") from error
    if session is None:
        raise InputError(_explain_refusal(status, base))
    token, lasts_s = session
    return RemoteSession(base, name, token, now + lasts_s, project)


def begin_device(url: str) -> DevicePrompt:
    """A code to enter at the console's identity provider.

    :raises InputError: no safe address, no provider, or one without such a sign-in
    :raises Unavailable: the console does not answer
    """
    return msgspec.json.decode(_post_device(url, "", {}), type=DevicePrompt)


def finish_device(
    url: str,
    prompt: DevicePrompt,
    project: str | None = None,
    clock: Callable[[], float] = time.time,
    wait: Callable[[float], None] = time.sleep,
) -> RemoteSession:
    """Ask until the code was entered.

    :raises InputError: nobody did in time, or whoever did may not sign in :raises Unavailable: as `begin_device`
    """
    interval, end = max(1.0, prompt.interval), clock() + prompt.expires_in
    while clock() < end:
        wait(interval)
        answer = msgspec.json.decode(_post_device(url, "/token", {"device": prompt.device}), type=DeviceAnswer)
        if answer.token:
            return RemoteSession(url.rstrip("/"), answer.name, answer.token, clock() + answer.expires_in, project)
        interval += answer.later_s
    raise InputError(f"{url}: nobody entered {prompt.user_code} in time; run the command again")


def _post_device(url: str, path: str, form: dict[str, str]) -> bytes:
    base = refuse_credentials(url, "the browser asks who you are").rstrip("/")
    if not is_safe(base) or not urlsplit(base).hostname:
        raise InputError(f"{url}: expected https://HOST; the session would cross the network in the clear")
    request = urllib.request.Request(f"{base}/login/device{path}", urlencode(form).encode())
    try:
        with open_url(request, TIMEOUT_S) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 404:
                raise InputError(
                    f"{base}: it knows no identity provider; sign in with a password: steward login {base} --name NAME"
                ) from error
            raise _explain_error(error) from error
    except OSError as error:
        raise Unavailable(f"{base}: no answer ({getattr(error, 'reason', error)})") from error


def _find_session(cookies: Iterable[str]) -> tuple[str, float] | None:
    """A person's token, and for how many seconds it is good at most."""
    for cookie in map(SimpleCookie, cookies):
        for morsel in cookie.values():
            if morsel.value.startswith(TOKEN_PREFIX):
                return morsel.value, float(morsel["max-age"] or SessionLimits().longest_s)
    return None


def _explain_refusal(status: int, url: str) -> str:
    known = {
        401: "wrong name, password or code",
        403: "you have no role there; ask an owner for one",
        429: "too many attempts; wait a minute",
        503: "its store does not answer; try again later",
    }
    return f"{url}: {known.get(status, f'it answered {status}; is this the address of a console?')}"


def save_session(session: RemoteSession, file: Path) -> None:
    make_private_folder(file.parent)
    write_file(file, msgspec.json.encode(session))


def load_session(file: Path, now: float) -> RemoteSession:
    """:raises InputError: nobody has signed in from here, the session is over, or others can read the file"""
    again = "sign in with: steward login URL --name NAME"
    try:
        mode = read_mode(file)
        session = msgspec.json.decode(file.read_bytes(), type=RemoteSession)
    except FileNotFoundError as error:
        raise InputError(f"you are signed in nowhere; {again}") from error
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"{file}: not readable; {again}") from error
    if mode & OTHERS:
        raise InputError(f"{file}: mode {mode:04o} lets others use your session; run: chmod 600 {quote_path(file)}")
    if now >= session.expires_at:
        raise InputError(f"your session at {session.url} is over; {again}")
    return session


def call(session: RemoteSession, method: str, path: str, body: bytes | None = None) -> Any:
    """What the administrative API answers; `path` is below /api/v1.

    :raises InputError: it refuses, in its own words :raises Unavailable: it does not answer
    """
    headers = {"Authorization": f"Bearer {session.token}", "Accept": "application/json"}
    if session.project is not None:
        headers["X-Steward-Project"] = session.project
    if body is not None:
        headers["Content-Type"] = "application/json"
    address = f"{session.url}{PREFIX}/{path.removeprefix(PREFIX).lstrip('/')}"
    request = urllib.request.Request(address, body, headers, method=method)
    try:
        with open_url(request, TIMEOUT_S) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            raise _explain_error(error) from error
    except (OSError, ValueError) as error:
        raise Unavailable(f"{session.url}: no answer ({getattr(error, 'reason', error)})") from error


def _explain_error(error: urllib.error.HTTPError) -> InputError | Unavailable:
    try:
        words = str(json.load(error)["message"])
    except (OSError, ValueError, KeyError, TypeError):
        words = f"it answered {error.code}"
    if error.code == 401:
        words += " Your session may be over; sign in with: steward login URL --name NAME"
    return Unavailable(words) if error.code >= 500 else InputError(words)


def sign_out(session: RemoteSession, file: Path) -> None:
    """End the session there and forget it here.

    :raises Unavailable: it does not answer; the session is forgotten here all the same
    """
    file.unlink(missing_ok=True)
    name = "__Host-steward_console" if session.url.startswith("https:") else "steward_console"
    request = urllib.request.Request(f"{session.url}/logout", b"", {"Cookie": f"{name}={session.token}"})
    try:
        with open_url(request, TIMEOUT_S):
            pass
    except urllib.error.HTTPError as error:
        with error:
            if error.code != 303:
                raise Unavailable(f"{session.url}: it answered {error.code}; the session ends by itself") from error
    except OSError as error:
        raise Unavailable(f"{session.url}: no answer; the session ends by itself") from error
