"""Channels that come with the library, one module each.

A channel is an object with `send(delivery)`. It raises `RetryLater` or `GiveUp` (or anything else, to have the
delivery tried again). It knows neither the rules nor the outbox; what it needs of the engine it gets in
`attach` (see `ports.ChannelHost`). Packages that only one channel needs are extras, imported at its first use.

For others: `Console` (prints deliveries), `Email` (SMTP, with `Dkim` keys), `Inbox` (keeps them for the host
to show), `Webhook` (posts them, signed), `Notify`, `Push`, `Slack` and `Sms` (hand them to a provider). Each
name is imported at its first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whereupon.channels.console import Console
    from whereupon.channels.email import Dkim, Email
    from whereupon.channels.inbox import Inbox
    from whereupon.channels.notify import Notify
    from whereupon.channels.push import Push
    from whereupon.channels.slack import Slack
    from whereupon.channels.sms import Sms
    from whereupon.channels.webhook import Webhook

__all__ = ["Console", "Dkim", "Email", "Inbox", "Notify", "Push", "Slack", "Sms", "Webhook"]

_HOMES = {name: name.lower() for name in __all__} | {"Dkim": "email"}


if not TYPE_CHECKING:  # else a type checker would accept every name

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
