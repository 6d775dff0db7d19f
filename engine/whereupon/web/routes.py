"""Which function answers a request: a page behind a link, or what takes the callbacks of a provider."""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TypeAlias
from urllib.parse import unquote

from whereupon.engine import Engine
from whereupon.errors import StoreError
from whereupon.web.http import Answer, Request
from whereupon.web.page_options import PageOptions
from whereupon.web.pages import answer as answer_page

Callback: TypeAlias = Callable[[Engine, Request], Answer]
"""Takes what a provider reports about deliveries of one channel, and checks who it is."""

_CALLBACKS = re.compile(r"/callbacks/([^/]+)/?")
NO_CALLBACKS: Mapping[str, Callback] = {}
"""No channel takes callbacks."""


def answer(
    engine: Engine,
    request: Request,
    options: PageOptions | None = None,
    callbacks: Mapping[str, Callback] = NO_CALLBACKS,
) -> Answer:
    """Answer any request; what is not known is answered with 404.

    Args:
        options: of the page to unsubscribe.
        callbacks: by the name of the channel.
    """
    place = _CALLBACKS.fullmatch(request.path)
    if place is None:
        return answer_page(engine, request, options)
    callback = callbacks.get(unquote(place[1]))
    if callback is None:
        return _said(404)
    if request.method != "POST":
        return _said(405, ("Allow", "POST"))
    try:
        return callback(engine, request)
    except StoreError:
        return _said(503, ("Retry-After", "60"))


def _said(status: int, *headers: tuple[str, str]) -> Answer:
    """An answer to a program."""
    own = (("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store"))
    return Answer(status=status, headers=(*own, *headers), body=HTTPStatus(status).phrase.encode())
