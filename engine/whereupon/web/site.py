"""All that an engine answers on the web: which function answers a request, by its path."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import TypeAlias
from urllib.parse import unquote

from whereupon.engine import Engine
from whereupon.errors import StoreError
from whereupon.web.customerio import CustomerIo
from whereupon.web.door import Door, DoorOptions
from whereupon.web.door.callers import Callers
from whereupon.web.door.intake import is_never
from whereupon.web.door.limits import GUESSES, Guesses
from whereupon.web.door.problems import TOO_MANY_GUESSES, UNKNOWN_KEY, as_json
from whereupon.web.http import Answer, Request
from whereupon.web.page_options import PageOptions
from whereupon.web.pages import answer as answer_page

Callback: TypeAlias = Callable[[Engine, Request], Answer]
"""Takes what a provider reports about deliveries of one channel, and checks who it is."""

Part: TypeAlias = Callable[[Request], Answer]
"""Answers the requests of one part of the site."""

_PAGES = re.compile(r"/[uco]/")
_CALLBACKS = re.compile(r"/callbacks/([^/]+)/?")
NO_CALLBACKS: Mapping[str, Callback] = {}
"""No channel takes callbacks."""


class Site:
    """The pages behind the links of mails, the callbacks of providers, and the door for messages.

    Args:
        pages: texts, labels and looks of the page to unsubscribe.
        callbacks: what takes the reports of a channel's provider, by the channel's name.
        door: how messages are taken; None takes none.
        is_shared: whether several keys send; a large body of one then lets messages of others in between.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        pages: PageOptions | None = None,
        callbacks: Mapping[str, Callback] = NO_CALLBACKS,
        door: DoorOptions | None = None,
        is_shared: Callable[[], bool] = is_never,
    ) -> None:
        self._engine = engine
        self._pages = pages
        self._callbacks = callbacks
        self._parts: list[tuple[re.Pattern[str], Part]] = [
            (re.compile(r"/callbacks/"), self._answer_callback)
        ]
        self._guesses = Guesses(GUESSES)
        self._door = None
        if door is not None:
            callers = Callers(engine.keys.check)
            self._door = Door(engine, callers, door, is_shared)
            self._parts.append((CustomerIo.PATHS, CustomerIo(engine, callers).answer))
            self._parts.append((Door.PATHS, self._door.answer))

    def answer(self, request: Request) -> Answer:
        """Answer any request; what is not known is answered with 404: clients get JSON, readers a page."""
        for paths, part in self._parts:
            if paths.match(request.path):
                return self._slowed(request, part(request))
        if self._door is None or _is_for_reader(request):
            return self._answer_page(request)
        return self._door.not_found(request)

    def _slowed(self, request: Request, answered: Answer) -> Answer:
        """The answer; or, to an address that shows unknown keys too often, that it has to wait."""
        if answered.counted.refused != UNKNOWN_KEY.code or not request.address:
            return answered
        wait = self._guesses.note(request.address)
        if not wait:
            return answered
        problem = replace(TOO_MANY_GUESSES, retry_after=wait)
        return answered.changed(
            status=problem.status,
            headers=(*answered.headers, *problem.headers()),
            body=as_json({**problem.members(), "meta": {"error": problem.message}}),
            counted=answered.counted.changed(refused=problem.code),
        )

    def _answer_page(self, request: Request) -> Answer:
        if request.is_too_large:
            return _said(413)
        return answer_page(self._engine, request, self._pages)

    def _answer_callback(self, request: Request) -> Answer:
        place = _CALLBACKS.fullmatch(request.path)
        callback = self._callbacks.get(unquote(place[1])) if place is not None else None
        if callback is None:
            return _said(404)
        if request.method != "POST":
            return _said(405, ("Allow", "POST"))
        if request.is_too_large:
            return _said(413)
        try:
            return callback(self._engine, request)
        except StoreError:
            return _said(503, ("Retry-After", "60"))


def _is_for_reader(request: Request) -> bool:
    """Whether a page is the answer: a link of a mail, or a browser that shows what it gets."""
    is_link = _PAGES.match(request.path) is not None
    return is_link or "text/html" in request.headers.get("accept", "")


def _said(status: int, *headers: tuple[str, str]) -> Answer:
    """An answer to a program."""
    own = (("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store"))
    return Answer(status=status, headers=(*own, *headers), body=HTTPStatus(status).phrase.encode())
