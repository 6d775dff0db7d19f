"""The ASGI application of a server: which threads answer a request, and what is counted and logged of it."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from time import monotonic

from whereupon.config.server import ServerOptions
from whereupon.messages.structs import Frozen
from whereupon.records.api_keys import KeyKind
from whereupon.runtime.log_lines import log_event
from whereupon.web.adapters import (
    MOST_FORGOTTEN,
    AsgiApp,
    Event,
    Receive,
    Send,
    asgi_request,
)
from whereupon.web.door.cors import cors_headers
from whereupon.web.door.problems import FAILED, OVER_LIMIT, STORE_AWAY, Problem, as_json
from whereupon.web.http import MOST_BYTES, Answer, Counted, Request
from whereupon.web.management import PATHS
from whereupon.web.serving.budget import Budget, Sharer
from whereupon.web.serving.exchange import EXTENSION, Exchange
from whereupon.web.serving.operations import PLACES, Operations
from whereupon.web.serving.refusal_pace import RefusalPace
from whereupon.web.serving.routes import OTHER, Templates, needs_store, route_of
from whereupon.web.serving.sharers import Sharers, mark_of_body, mark_of_head
from whereupon.web.serving.store_watch import StoreWatch
from whereupon.web.serving.traffic import Traffic
from whereupon.web.serving.workers import DrainRate, Workers, seconds_to_wait

_LOG = logging.getLogger("whereupon.web")
_GONE = Answer(status=0)
"""Of a request whose client has gone: nobody reads it."""
_AWAY = Answer(status=503)
"""Of a request that was not worked on, since the store is away."""
_OPEN = frozenset({OTHER, "/api/openapi.json"})
"""What of the management API is answered without a key."""
_TO_KEYS = frozenset({200, 201, 202, 204, 304, 400, 403, 409, 412, 422})
"""What else is answered only once the key was found to be good."""
_BAD_REQUEST = HTTPStatus.BAD_REQUEST.value
_NOBODY = Sharer()
_BY_MANAGEMENT = Counted(key_kind=KeyKind.MANAGEMENT.value)


class _Taken(Frozen, frozen=True):
    """A request that a thread answers, without a task that waits for it."""

    request: Request
    sharer: Sharer
    exchange: Exchange
    mark: bytes | None
    place: str
    began: float


class Application:
    """Answers requests of all parts of the site, and of the operators.

    Args:
        site: answers a whole request, in a thread.
        management: the management API, which has threads of its own; None for none.
        templates: of its paths.
    """

    def __init__(  # noqa: PLR0913 - one for each part that it joins
        self,
        site: Callable[[Request], Answer],
        *,
        options: ServerOptions,
        budget: Budget,
        workers: Workers[Answer],
        watch: StoreWatch,
        operations: Operations,
        traffic: Traffic,
        management: AsgiApp | None = None,
        templates: Templates | None = None,
    ) -> None:
        self._site = site
        self._options = options
        self._budget = budget
        self._workers = workers
        self._watch = watch
        self._operations = operations
        self._traffic = traffic
        self._management = management
        self._templates = templates or Templates(())
        self._rate = DrainRate()
        self._sharers = Sharers()
        self._pace = RefusalPace()
        self._succeeded = 0

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        """See ASGI; only scopes of HTTP come in."""
        began = monotonic()
        exchange: Exchange = scope["extensions"][EXTENSION]
        place = _place(scope)
        if self._management is not None and PATHS.match(place):
            await self._manage(scope, receive, send, exchange)
            return
        try:
            if place in PLACES:
                answer = await self._operations.answer(
                    scope["method"], place, _authorization(scope)
                )
            else:
                answer = await self._answered(scope, receive, exchange)
        finally:
            exchange.release()
        self._count(scope["method"], route_of(place), answer, monotonic() - began)
        if answer is not _GONE:
            if wait := self._pace.wait(exchange.sharer or _NOBODY, answer):
                await asyncio.sleep(wait)
            exchange.answer(answer)

    def take(self, exchange: Exchange) -> bool:
        """Have a whole request of a server's key answered without a task; False if it needs one, as when it may wait.

        The address that a proxy names is not looked for: what a server posts has no use for it.
        """
        cycle = exchange.cycle
        if cycle is None or cycle.waiting_for_100_continue or cycle.scope["method"] != "POST":
            return False
        began = monotonic()
        scope: Event = cycle.scope  # type: ignore[assignment]  # as ASGI has it
        place, mark = _place(scope), mark_of_head(scope["headers"], scope["query_string"])
        sharer = self._sharers.find(mark, "")
        if not sharer.is_server or place in PLACES or not self._budget.has_room(sharer):
            return False
        if self._management is not None and PATHS.match(place):
            return False
        exchange.let_in(sharer)
        request = asgi_request(scope, bytes(cycle.body))
        cycle.body = bytearray()
        taken = _Taken(request, sharer, exchange, mark, place, began)
        work = partial(self._work, request, sharer, exchange)
        self._workers.submit(sharer, work, partial(self._finish, taken), exchange.held)
        return True

    def _finish(self, taken: "_Taken", result: Answer | BaseException) -> None:
        exchange, request = taken.exchange, taken.request
        found = _say(request, FAILED) if isinstance(result, BaseException) else result
        answer = self._settled(request, exchange, taken.began, found)
        self._sharers.learn(taken.mark, answer.counted)
        exchange.release()
        seconds = monotonic() - taken.began
        self._count(request.method, route_of(taken.place), answer, seconds)
        if answer is _GONE:
            return
        if wait := self._pace.wait(taken.sharer, answer):
            asyncio.get_running_loop().call_later(wait, exchange.answer, answer)
        else:
            exchange.answer(answer)

    async def _answered(self, scope: Event, receive: Receive, exchange: Exchange) -> Answer:
        mark = mark_of_head(scope["headers"], scope["query_string"])
        sharer = self._sharers.find(mark, _address(scope))
        exchange.count_as(sharer)
        refused = await self._refused(sharer)
        if refused is not None:
            return _say(asgi_request(scope, b""), refused)
        exchange.let_in(sharer)
        body = await _read(receive, exchange)
        if body is None:
            return _GONE
        request = asgi_request(scope, body)
        if mark is None and (mark := mark_of_body(body, request.headers)) is not None:
            sharer = self._sharers.find(mark, sharer.address)
            exchange.count_as(sharer)
        answer = await self._patiently(request, sharer, exchange)
        if answer.counted.key_id:
            self._sharers.learn(mark, answer.counted)
        return answer

    async def _refused(self, sharer: Sharer) -> Problem | None:
        """Why there is no place for a request of a sharer; what a client's key brings waits for one first."""
        if self._budget.has_room(sharer):
            return None
        seconds = self._options.wait.total_seconds()
        if not sharer.is_server and await self._budget.room(sharer, seconds):
            return None
        self._traffic.refused["queue-full"] += 1
        again = seconds_to_wait(self._budget, self._rate, sharer, self._workers.queue.keys)
        return _queue_full(again)

    async def _patiently(self, request: Request, sharer: Sharer, exchange: Exchange) -> Answer:
        """Have it answered. What a client's key brings over its limit waits: some clients never send again."""
        left = self._options.wait.total_seconds()
        while True:
            answer = await self._worked(request, sharer, exchange)
            pause = _pause_before(answer)
            if not 0 < pause <= left or exchange.is_gone:
                return answer
            left -= pause
            await asyncio.sleep(pause)

    async def _worked(self, request: Request, sharer: Sharer, exchange: Exchange) -> Answer:
        """Have a thread answer."""
        queued = monotonic()
        work = partial(self._work, request, sharer, exchange)
        answer = await self._workers.run(sharer, work, exchange.held)
        return self._settled(request, exchange, queued, answer)

    def _settled(
        self, request: Request, exchange: Exchange, queued: float, answer: Answer
    ) -> Answer:
        """Count what a thread has answered."""
        self._traffic.waits.count(max(0.0, exchange.begun - queued))
        self._rate.count(exchange.held)
        if answer is _GONE:
            self._traffic.refused["gone"] += 1
        elif answer is _AWAY:
            self._traffic.refused["store-away"] += 1
            return _say(request, STORE_AWAY)
        return answer

    def _work(self, request: Request, sharer: Sharer, exchange: Exchange) -> Answer:
        """Runs in a thread. What nobody waits for any more is thrown away if it comes again: servers send again."""
        exchange.begun = monotonic()
        if exchange.is_gone and sharer.is_server:
            return _GONE
        if self._watch.is_away and needs_store(request.method, request.path):
            return _AWAY
        try:
            return self._site(request)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            _log_failure(error)
            return _say(request, FAILED)

    async def _manage(self, scope: Event, receive: Receive, send: Send, exchange: Exchange) -> None:
        """Let the management API answer, and count it by the template that it found.

        It reads bodies before it knows who asks. So those of nobody known have an address's share.
        """
        began = monotonic()
        status = 0
        mark = mark_of_head(scope["headers"], b"")
        if not self._sharers.is_operators(mark):
            exchange.count_as(self._sharers.find(None, _address(scope)))

        async def sending(event: Event) -> None:
            nonlocal status
            status = event.get("status", status)
            await send(event)

        try:
            assert self._management is not None  # noqa: S101 - the caller has looked
            await self._management(scope, receive, sending)
        finally:
            exchange.release()
            answer = Answer(status=status, counted=_BY_MANAGEMENT)
            route = self._templates.find(_place(scope))
            if status in _TO_KEYS and route not in _OPEN:
                self._sharers.learn_operator(mark)
            self._count(scope["method"], route, answer, monotonic() - began)

    def _count(self, method: str, route: str, answer: Answer, seconds: float) -> None:
        status = answer.status
        self._traffic.count_request(route, answer, seconds)
        if 0 < status < _BAD_REQUEST:
            self._succeeded += 1
            every = self._options.log_every
            if not every or self._succeeded % every:
                return
        if not _LOG.isEnabledFor(logging.INFO):
            return
        log_event(
            _LOG,
            logging.INFO,
            "request",
            method=method,
            route=route,
            status=status,
            ms=round(seconds * 1000),
            key_kind=answer.counted.key_kind or None,
            code=answer.counted.refused or None,
        )


def _pause_before(answer: Answer) -> int:
    """The seconds after which a client's request that is over the limit of its key may come in; else 0."""
    counted = answer.counted
    if counted.refused != OVER_LIMIT.code or counted.key_kind != KeyKind.CLIENT:
        return 0
    return int(dict(answer.headers)["Retry-After"])


def _place(scope: Event) -> str:
    """The path below the root, as the client sent it."""
    path = str(scope["raw_path"].decode("latin-1"))
    return path.removeprefix(scope["root_path"]) or "/"


def _authorization(scope: Event) -> str:
    found = (value for name, value in scope["headers"] if name == b"authorization")
    return bytes(next(found, b"")).decode("latin-1")


def _address(scope: Event) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


async def _read(receive: Receive, exchange: Exchange) -> bytes | None:
    """The body, or of one that is too large more than may be; None if the client has gone."""
    event = await receive()
    if event["type"] == "http.request" and not event.get("more_body", False):
        return bytes(event.get("body", b""))
    body, size = bytearray(), 0
    while event["type"] == "http.request":
        step = event.get("body", b"")
        size += len(step)
        if size <= MOST_BYTES:
            body += step
        else:
            exchange.forget()
            body = bytearray(MOST_BYTES + 1)
        if size > MOST_FORGOTTEN or not event.get("more_body", False):
            return bytes(body)
        event = await receive()
    return None


def _queue_full(seconds: int) -> Problem:
    return Problem(
        status=429,
        code="queue-full",
        message="the server has more to do than it can take in; send it again later",
        retry_after=seconds,
    )


def _say(request: Request, problem: Problem) -> Answer:
    headers = (
        ("Content-Type", "application/json"),
        ("Cache-Control", "no-store"),
        *problem.headers(),
        *cors_headers(request),
    )
    members = {**problem.members(), "meta": {"error": problem.message}}  # for Customer.io's clients
    return Answer(status=problem.status, headers=headers, body=as_json(members))


def _log_failure(error: Exception) -> None:
    """The kind of an error and where it was raised; its text may quote what was sent."""
    told = RuntimeError(type(error).__name__).with_traceback(error.__traceback__)
    log_event(_LOG, logging.ERROR, "request-failed", raised=told)
