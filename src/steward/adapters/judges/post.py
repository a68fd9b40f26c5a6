"""One question to a judge: JSON there and back. No error repeats what was asked or answered."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from steward.core.errors import Unavailable
from steward.core.fetch import open_url
from steward.core.secret import Secret, resolve

Reply = TypeVar("Reply")


def post_question(
    url: str,
    key: str | Secret,
    question: Mapping[str, Any],
    timeout_s: float,
    reply: type[Reply],
    who: str = "the guard's judge",
) -> Reply:
    """`key` is a bearer token, or a reference to one, resolved anew each time; empty: none. `who`: for errors.

    :raises Unavailable: no answer, another status than 2xx, or not of the shape of `reply`
    :raises InputError: the key's reference leads nowhere
    """
    headers = {"content-type": "application/json"} | (
        {"authorization": f"Bearer {(key if isinstance(key, Secret) else resolve(key)).reveal()}"} if key else {}
    )
    request = urllib.request.Request(url, msgspec.json.encode(question), headers)
    try:
        with open_url(request, timeout_s) as answer:
            return msgspec.json.decode(answer.read(), type=reply)
    except urllib.error.HTTPError as error:
        with error:
            raise Unavailable(f"{who} answered HTTP {error.code}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise Unavailable(f"{who} could not be reached ({reason})") from error
    except (msgspec.MsgspecError, ValueError) as error:
        raise Unavailable(f"{who} gave no verdict that steward knows") from error
