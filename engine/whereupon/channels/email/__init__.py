"""E-mail by SMTP: the channel `Email`, with keys for DKIM.

For others: `channel` (Email), `dkim` (Dkim), `bounces` (mails that come back). `composer` makes a message of what `content` reads, `connections`
brings it to the server, and `refusals` says what the server's answers mean for a delivery.
"""

from whereupon.channels.email.channel import Email
from whereupon.channels.email.dkim import Dkim

__all__ = ["Dkim", "Email"]
