"""What is answered behind the links of mails.

A GET only shows: mail scanners and browsers follow links before a human does. A POST acts, without cookies and
without redirects. Every answer says that it is not kept, not indexed and not framed.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import quote, urlsplit, urlunsplit

from whereupon.delivery.subscriptions import Subscriptions
from whereupon.engine import Engine
from whereupon.errors import LinkError, StoreError
from whereupon.web.forms import Fields
from whereupon.web.http import Answer, Request
from whereupon.web.page_options import PageOptions
from whereupon.web.texts import UnsubscribeTexts
from whereupon.web.unsubscribe_page import notice_page, policy_of, subscriptions_page

MOST_BYTES = 1 << 16
"""The largest form that the page takes, in bytes."""

_PIXEL = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
_PLACE = re.compile(r"/([uco])/([^/]+)/?")
_HEADERS = (
    ("Cache-Control", "no-store"),
    ("X-Robots-Tag", "noindex, nofollow"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)
_PREFETCH = ("sec-purpose", "purpose", "x-purpose", "x-moz")


class _Visit(NamedTuple):
    """A request for one of the pages.

    Attributes:
        texts: in the language of the browser, until the person is known.
    """

    engine: Engine
    request: Request
    options: PageOptions
    token: str
    texts: UnsubscribeTexts


def answer(engine: Engine, request: Request, options: PageOptions | None = None) -> Answer:
    """Answer a request for one of the pages. Whatever comes in, the answer is a page, never an exception.

    Where the store cannot be reached or written, the answer is 503 with ``Retry-After``.
    """
    options = options or PageOptions()
    texts = options.texts_for(None, request.headers.get("accept-language", ""))
    place = _PLACE.fullmatch(request.path)
    if place is None:
        return _page(404, notice_page(texts, options, texts.bad_title, texts.bad), options)
    visit = _Visit(engine, request, options, place[2], texts)
    allowed, act = _PLACES[place[1]]
    if request.method not in allowed:
        return _refused(visit, 405, ("Allow", ", ".join(allowed)))
    try:
        return act(visit)
    except LinkError:
        return _page(404, notice_page(texts, options, texts.bad_title, texts.bad), options)
    except StoreError:
        page = notice_page(texts, options, texts.busy_title, texts.busy)
        return _page(503, page, options, ("Retry-After", "60"))


# --- unsubscribing ----------------------------------------------------------------------------------


def _unsubscribe(visit: _Visit) -> Answer:
    if visit.request.method != "POST":
        return _show(visit, visit.engine.subscriptions(visit.token), saved=False)
    if len(visit.request.body) > MOST_BYTES:
        return _refused(visit, 413)
    shown = visit.engine.subscriptions(visit.token)
    try:
        fields = visit.request.form()
        wanted = _act(visit, shown, fields)
    except ValueError:
        return _refused(visit, 400)
    return _show(visit, wanted, saved=True)


def _act(visit: _Visit, shown: Subscriptions, fields: Fields) -> Subscriptions:
    """Do what a form asks for; raises `ValueError` if it asks for nothing that there is."""
    engine, token = visit.engine, visit.token
    if not shown.is_known:
        return shown
    if ("List-Unsubscribe", "One-Click") in fields:  # RFC 8058, section 3.1
        return engine.unsubscribe(token)
    match dict(fields).get("wish"):
        case "unsubscribe":
            return engine.unsubscribe(token)
        case "all":
            return engine.set_subscriptions(token, unsubscribed=True)
        case "resubscribe":
            topics = {} if shown.topic is None else {shown.topic: True}
            return engine.set_subscriptions(token, unsubscribed=False, topics=topics)
        case "save":
            return engine.set_subscriptions(token, topics=_changed(fields))
        case _:
            message = "there is no such wish"
            raise ValueError(message)


def _changed(fields: Fields) -> dict[str, bool]:
    """The topics that the reader has changed, and how. What was not shown, or stays as it was shown, is left alone."""
    ticked = {value for name, value in fields if name == "topic"}
    on = {value: False for name, value in fields if name == "was-on" and value not in ticked}
    off = {value: True for name, value in fields if name == "was-off" and value in ticked}
    return on | off


def _show(visit: _Visit, wanted: Subscriptions, *, saved: bool) -> Answer:
    accepted = visit.request.headers.get("accept-language", "")
    texts = visit.options.texts_for(wanted.locale, accepted)
    page = subscriptions_page(texts, visit.options, wanted, saved=saved)
    return _page(200, page, visit.options)


# --- clicks and opens -------------------------------------------------------------------------------


def _click(visit: _Visit) -> Answer:
    """Lead on to the signed URL, also where the click cannot be reported: the reader wants to get there."""
    url = visit.engine.target_of(visit.token)
    if _is_human(visit.request):
        with suppress(StoreError):
            visit.engine.report_click(visit.token)
    return Answer(status=302, headers=(("Location", _as_ascii(url)), *_HEADERS))


def _open(visit: _Visit) -> Answer:
    if _is_human(visit.request):
        with suppress(StoreError):
            visit.engine.report_open(visit.token)
    return Answer(status=200, headers=(("Content-Type", "image/gif"), *_HEADERS), body=_PIXEL)


def _is_human(request: Request) -> bool:
    """Whether a request may be a reader's: neither a HEAD nor one that says that it fetches ahead."""
    said = (request.headers.get(name, "") for name in _PREFETCH)
    return request.method == "GET" and not any(
        "prefetch" in each.lower() or "preview" in each.lower() for each in said
    )


def _as_ascii(url: str) -> str:
    """An internationalised URL as a header may carry it (RFC 3987, section 3.1)."""
    if url.isascii():
        return url
    parts = urlsplit(url)
    try:
        host = parts.netloc.encode("ascii").decode()
    except UnicodeEncodeError:
        host = parts.netloc.encode("idna").decode()
    rest = (quote(each, safe="%/:=&?~+!$,;'@()*[]-._") for each in parts[2:])
    return urlunsplit((parts.scheme, host, *rest))


# --- answers ----------------------------------------------------------------------------------------

_PLACES: dict[str, tuple[tuple[str, ...], Callable[[_Visit], Answer]]] = {
    "u": (("GET", "HEAD", "POST"), _unsubscribe),
    "c": (("GET", "HEAD"), _click),
    "o": (("GET", "HEAD"), _open),
}


def _refused(visit: _Visit, status: int, *headers: tuple[str, str]) -> Answer:
    texts = visit.texts
    page = notice_page(texts, visit.options, texts.request_title, texts.request)
    return _page(status, page, visit.options, *headers)


def _page(status: int, page: str, options: PageOptions, *headers: tuple[str, str]) -> Answer:
    own = (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", policy_of(options)),
        ("X-Frame-Options", "DENY"),
    )
    return Answer(status=status, headers=(*own, *_HEADERS, *headers), body=page.encode())
