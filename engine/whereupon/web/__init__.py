"""What whereupon answers on the web, for any host to mount: messages of clients, the pages behind links, callbacks.

`wsgi` and `asgi` make an application of an engine. It answers

- ``/v1/…``: messages, as the clients of Segment, RudderStack and Customer.io send them, with a key of `Engine.keys`;
- ``/api/v1/…``, ``/api/v2/…``, ``/v1/send/…``, ``/v1/campaigns/…`` and ``/v1/customers…``: Customer.io's Track API and App
  API (see `customerio`);
- ``/u/TOKEN``: the page to unsubscribe, and its one-click form (RFC 8058);
- ``/c/TOKEN`` and ``/o/TOKEN``: clicks and opens;
- ``/callbacks/CHANNEL``: what a provider reports, if the host says what takes it.

It is a function from a `Request` to an `Answer` (`Site.answer`), without framework and without socket. It opens no
port, knows no session and sets no cookie.
"""

from whereupon.web.adapters import asgi, wsgi
from whereupon.web.door import DoorOptions
from whereupon.web.http import Answer, Request
from whereupon.web.page_options import PageOptions
from whereupon.web.site import Callback, Site
from whereupon.web.texts import ENGLISH, GERMAN, UnsubscribeTexts

__all__ = [
    "ENGLISH",
    "GERMAN",
    "Answer",
    "Callback",
    "DoorOptions",
    "PageOptions",
    "Request",
    "Site",
    "UnsubscribeTexts",
    "asgi",
    "wsgi",
]
