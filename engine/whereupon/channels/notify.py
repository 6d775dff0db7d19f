"""The channel for notifications by Apprise: a hundred services, each named by one URL."""

import os
from collections.abc import Sequence
from typing import Final

from whereupon.channels.http.content import check_keys, text_of
from whereupon.delivery.retries import GiveUp
from whereupon.errors import WhereuponError
from whereupon.records import Delivery

VARIABLE: Final = "WHEREUPON_NOTIFY_URLS"
"""The environment variable with URLs, separated by spaces, if none are given."""

_KEYS: Final = ("title", "body", "text", "format")
_FORMATS: Final = ("text", "html", "markdown")


class NotNotifiedError(WhereuponError):
    """Apprise says that a service did not take the notification; it does not say why."""


class Notify:
    """Hands each delivery to one or more services of Apprise.

    Content: ``title``; ``body`` or ``text``; ``format`` (``text``, ``html`` or ``markdown``). Apprise makes the
    requests; the guard of the HTTP channels does not apply, so the URLs come from the operator alone. It takes
    no idempotency key, and tells no passing failure from a final one: what fails is tried again, at all
    services.

    Args:
        urls: in Apprise's form, such as ``ntfy://topic``; by default those of ``WHEREUPON_NOTIFY_URLS``.

    Raises:
        ImportError: the extra is not installed: ``pip install 'whereupon[notify]'``.
        ValueError: there is no URL, or Apprise does not know one of them.
    """

    address: None = None
    """The services are the addresses."""

    def __init__(self, *urls: str) -> None:
        try:
            import apprise  # noqa: PLC0415 - an extra
        except ImportError:
            message = "notifications need apprise: pip install 'whereupon[notify]'"
            raise ImportError(message) from None
        given: Sequence[str] = urls or os.environ.get(VARIABLE, "").split()
        if not given:
            message = f"say where to: Notify('ntfy://topic'), or set {VARIABLE}"
            raise ValueError(message)
        self._services = apprise.Apprise()
        for number, url in enumerate(given, 1):
            if not self._services.add(url):
                scheme = url.partition("://")[0] if "://" in url else "none"
                message = f"Apprise does not accept URL {number} (scheme {scheme[:20]}); it may hold a secret, so it is not shown"
                raise ValueError(message)

    def send(self, delivery: Delivery) -> None:
        """Notify every service.

        Raises:
            GiveUp: there is nothing to say, or a key that would be left out.
            NotNotifiedError: a service did not take it.
        """
        check_keys(delivery, _KEYS)
        content = delivery.content
        title = text_of(content.get("title"))
        body = text_of(content.get("body")) or text_of(content.get("text"))
        kind = text_of(content.get("format")) or "text"
        if not title and not body:
            reason = "a notification has a title or a body"
            raise GiveUp(reason)
        if kind not in _FORMATS:
            reason = f"format is one of {', '.join(_FORMATS)}"
            raise GiveUp(reason)
        if not self._services.notify(
            body=body or title, title=title if body else "", body_format=kind
        ):
            message = "a service of Apprise did not take the notification"
            raise NotNotifiedError(message)
