"""Any of the hundred services that Apprise knows (Telegram, Teams, Discord, ntfy, …), extra `apprise`.

Apprise's URL holds the secrets of its service, so it is never logged; nothing is kept on disk, and no file is attached.
No proxy of the environment is asked, and no password of a `.netrc` is sent (`core/fetch.py` says why).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from steward.core.errors import InputError, Unavailable
from steward.core.extras import install_command
from steward.core.secret import Secret

if TYPE_CHECKING:
    import apprise


def send_apprise(url: Secret, subject: str, text: str, is_bad: bool = True) -> None:
    """:raises InputError: as `open_service` :raises Unavailable: the service does not take it"""
    service = open_service(url)
    import apprise

    kind = apprise.NotifyType.FAILURE if is_bad else apprise.NotifyType.SUCCESS
    with _without_proxies():
        sent = service.notify(body=text, title=subject, notify_type=kind, body_format=apprise.NotifyFormat.TEXT)
    if not sent:
        raise Unavailable("the service did not take it, or could not be reached")


@contextmanager
def _without_proxies() -> Iterator[None]:
    """The environment is the only place where `requests`, which Apprise asks with, can be told so."""
    chosen = {"no_proxy": "*", "NO_PROXY": "*", "NETRC": os.devnull}
    before = {name: os.environ.get(name) for name in chosen}
    os.environ.update(chosen)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def open_service(url: Secret) -> apprise.Apprise:
    """The service that a URL names; nothing is sent. :raises InputError: no extra, or not a URL of Apprise"""
    try:
        import apprise
    except ModuleNotFoundError as error:
        if error.name != "apprise":
            raise
        raise InputError(
            f"a channel of kind apprise needs the extra `apprise`; {install_command('apprise')}"
        ) from error
    asset = apprise.AppriseAsset(
        storage_mode=apprise.PersistentStoreMode.MEMORY, secure_logging=True, http_redirects=False, app_id="steward"
    )
    service = apprise.Apprise(asset=asset)
    if not service.add(url.reveal()):
        raise InputError(
            "its url is none that Apprise knows; expected one such as ntfy://TOPIC or tgram://TOKEN/CHAT: "
            "https://appriseit.com lists them"
        )
    return service
