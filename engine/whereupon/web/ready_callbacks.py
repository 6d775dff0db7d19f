"""The callbacks that ``use`` of a table ``[callbacks.CHANNEL]`` may name."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from whereupon.web.callbacks import (
    MailgunCallback,
    PostmarkCallback,
    ProviderCallback,
    SendGridCallback,
    StandardCallback,
    TwilioCallback,
)

READY_CALLBACKS: Final[Mapping[str, type[ProviderCallback]]] = MappingProxyType(
    {
        "standard": StandardCallback,
        "twilio": TwilioCallback,
        "sendgrid": SendGridCallback,
        "mailgun": MailgunCallback,
        "postmark": PostmarkCallback,
    }
)
"""Each by the name of its provider; ``standard`` is for your own services (Standard Webhooks)."""
