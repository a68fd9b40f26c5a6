"""Any of the hundred services that Apprise knows (Telegram, Teams, Discord, ntfy, …), extra `apprise`.

Apprise's URL holds the secrets of its service, so it is never logged; nothing is kept on disk, and no file is attached.
"""

from __future__ import annotations

from steward.core.errors import InputError, Unavailable
from steward.core.extras import install_command
from steward.core.secret import Secret


def send_apprise(url: Secret, subject: str, text: str, is_bad: bool = True) -> None:
    """:raises InputError: no extra, or not a URL of Apprise :raises Unavailable: the service does not take it"""
    try:
        import apprise
    except ModuleNotFoundError as error:
        if error.name != "apprise":
            raise
        raise InputError(
            f"a channel of kind apprise needs the extra `apprise`; {install_command('apprise')}"
        ) from error
    asset = apprise.AppriseAsset(storage_mode=apprise.PersistentStoreMode.MEMORY, secure_logging=True, app_id="steward")
    sender = apprise.Apprise(asset=asset)
    if not sender.add(url.reveal()):
        raise InputError(
            "its url is none that Apprise knows; expected one such as ntfy://TOPIC or tgram://TOKEN/CHAT: "
            "https://appriseit.com lists them"
        )
    kind = apprise.NotifyType.FAILURE if is_bad else apprise.NotifyType.SUCCESS
    if not sender.notify(body=text, title=subject, notify_type=kind, body_format=apprise.NotifyFormat.TEXT):
        raise Unavailable("the service did not take it, or could not be reached")
