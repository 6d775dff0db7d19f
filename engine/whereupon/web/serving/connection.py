"""One connection: uvicorn's protocol, with deadlines and limits on what a client sends and reads.

uvicorn itself waits for ever for a request that began, and for a client that reads nothing.
"""

import asyncio
from contextlib import suppress
from typing import cast

import httptools
from typing_extensions import override
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from whereupon.web.http import Answer
from whereupon.web.serving.exchange import EXTENSION, Exchange, exchange_of
from whereupon.web.serving.heads import fault_of_head
from whereupon.web.serving.home import Home
from whereupon.web.serving.phases import Phase
from whereupon.web.serving.refusals import Refusal
from whereupon.web.serving.replies import reply

_MOST_PIPELINED = 16
"""Requests that may wait behind the one that is answered; those after them are not answered."""
_MOST_DISCARDED = 8 << 20
"""Bytes of a body that are read after the request was answered, so that the client gets to read the answer."""
_LINGER = 2.0
"""Seconds in which a refused client may read why, before the connection is reset."""


class Connection(HttpToolsProtocol):
    """A client's connection.

    Args:
        home: what all connections of a server share.
    """

    def __init__(self, home: Home) -> None:
        super().__init__(home.config, home.state, {}, home.loop)
        self.access_log = False  # it would log queries, which may have keys
        self._home = home
        self._limits = home.limits
        self._phase = Phase.HEAD
        self._unread = 0  # bytes that came since the parser last got on
        self._head_bytes = 0
        self._discarded = 0
        self._upgrading = False
        self._is_idle = False
        self._exchange = Exchange(self, home.budget)
        self._is_feeding = False
        self._pending: tuple[RequestResponseCycle, ASGI3Application] | None = None
        self._refusal: Refusal | None = None
        self._until: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self.address = ""
        self.is_gone = False

    # --- the connection -----------------------------------------------------------------------

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # so that anything unread starts the clock
        self.address = self.client[0] if self.client else ""
        refusal = self._home.add(self)
        if refusal is None:
            self._arm(self._limits.header_timeout)
        else:
            self._phase = Phase.NOTHING
            transport.write(refusal.as_bytes)
            transport.close()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.is_gone = True
        self._until = None
        for timer in (self._timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._write_timer = None
        for cycle, _ in filter(None, (*self.pipeline, self._pending)):
            cycle.disconnected = True
            exchange_of(cycle).release()
        self.pipeline.clear()
        self._home.remove(self)
        super().connection_lost(exc)

    @override
    def shutdown(self) -> None:
        """End the connection once what was asked is answered."""
        self.end_behind_answers()
        if not self._is_answering:
            self.transport.close()

    def end_behind_answers(self) -> None:
        """Let the answers that are owed be the last of the connection."""
        if self._is_answering:
            self.cycle.keep_alive = False

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def abort(self) -> None:
        """Cut it."""
        self.transport.abort()

    def close_idle(self, why: str) -> None:
        """Close it, as it waits for a request."""
        self._home.count_closed(why)
        self._phase = Phase.NOTHING
        self.transport.close()

    # --- what comes in ------------------------------------------------------------------------

    @override
    def data_received(self, data: bytes) -> None:
        self._home.traffic.received += len(data)
        if self._phase is Phase.NOTHING:
            self._discard(len(data))
            return
        self._unread += len(data)
        self._is_feeding = True
        self._feed(data)
        self._is_feeding = False
        if self._pending is not None:
            (cycle, app), self._pending = self._pending, None
            self._start(cycle, app)
        if self._phase is Phase.HEAD:
            self._look_at_head()
        elif self._phase is Phase.BODY:
            self._look_at_body()

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_without_upgrade(data[cast("int", upgrade.args[0]) :])
        except httptools.HttpParserError:
            if self._phase is not Phase.NOTHING:
                self._refuse(Refusal.MALFORMED)

    def _look_at_head(self) -> None:
        """After some bytes came, and no request is under way in them."""
        if self._unread > self._limits.header_bytes:
            self._refuse(Refusal.LARGE_HEADERS)
        elif self._unread and self._is_idle:
            self._is_idle = False
            self._arm(self._limits.header_timeout)

    def _look_at_body(self) -> None:
        """After some bytes came, and the body has not ended in them."""
        if self._unread > self._limits.header_bytes:
            self._refuse(Refusal.MALFORMED)  # endless chunk extensions or trailers
        elif self._until is None:
            self._arm(self._limits.body_timeout)

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        """Read a request again, without the wish to change the protocol (RFC 9110, section 7.8)."""
        if not self._upgrading:
            return
        self._upgrading = False
        kept = [(name, value) for name, value in self.headers if name != b"upgrade"]
        head = b"%s %s HTTP/1.1\r\n" % (self.parser.get_method(), self.url)
        head += b"".join(b"%s: %s\r\n" % each for each in kept)
        self.parser = httptools.HttpRequestParser(self)
        self._feed(head + b"\r\n" + rest)

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded <= _MOST_DISCARDED:
            return
        if self._is_answering or self.pipeline:
            self.flow.pause_reading()
        else:
            self.transport.abort()

    # --- the parser's calls -------------------------------------------------------------------

    @override
    def on_message_begin(self) -> None:
        self._head_bytes = 0
        self._unread = max(self._unread, 1)
        super().on_message_begin()

    @override
    def on_url(self, url: bytes) -> None:
        self._head_bytes += len(url)
        self.url += url

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        if self._phase is not Phase.HEAD:  # it is a trailer, which nobody asked for
            return
        self._head_bytes += len(name) + len(value) + 4
        name = name.lower()
        self.headers.append((name, value))
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True

    @override
    def on_headers_complete(self) -> None:
        self._unread = 0
        if self._phase is Phase.NOTHING:
            return
        fault = fault_of_head(self.parser, self.headers, self._head_bytes, self._limits)
        if fault is not None:
            self._refuse(fault)
        elif self.parser.should_upgrade():
            self._upgrading = True
        else:
            self._begin()

    def _begin(self) -> None:
        super().on_headers_complete()  # raises if the target is no URL
        self._home.set_busy(self)
        self._phase = Phase.BODY
        self._discarded = 0
        exchange = self._exchange = Exchange(self, self._home.budget)
        exchange.cycle = self.cycle
        self.scope["extensions"] = {EXTENSION: exchange}  # type: ignore[dict-item]  # ours
        if self._home.is_ending or len(self.pipeline) >= _MOST_PIPELINED:
            self.cycle.keep_alive = False
        self._until = None  # most bodies are here with their heads

    @override
    def on_body(self, body: bytes) -> None:
        self._unread = 0
        if self._phase is not Phase.BODY:
            return
        if self.cycle.response_complete:
            self._discard(len(body))
        elif self._exchange.hold(len(body)):
            super().on_body(body)
        else:
            self._refuse(Refusal.NO_ROOM)

    @override
    def on_message_complete(self) -> None:
        self._unread = 0
        if self._phase is not Phase.BODY or self._upgrading:
            return
        self._until = None
        super().on_message_complete()
        # What comes behind the last request of a connection is not read.
        self._phase = Phase.HEAD if self.cycle.keep_alive else Phase.NOTHING
        if not self._is_answering:
            self._await_request()

    @override
    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if self._is_feeding:  # its body may be in the same bytes
            self._pending = cycle, app
        else:
            self._start(cycle, app)

    def _start(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Have a request answered: without a task of its own, if it is here as a whole and need not wait."""
        if cycle.disconnected:
            exchange_of(cycle).release()
        elif cycle.more_body or not self._home.take(exchange_of(cycle)):
            super()._start_asgi_task(cycle, app)

    # --- answers ------------------------------------------------------------------------------

    def answer(self, cycle: RequestResponseCycle, answer: Answer) -> None:
        """Answer a request in one piece."""
        if cycle.disconnected or cycle.response_started:
            return
        if cycle.waiting_for_100_continue:  # nobody knows whether the body still comes
            cycle.keep_alive = False
        written = reply(
            answer,
            cycle.scope["method"],
            keep_alive=cycle.keep_alive,
            more=self.server_state.default_headers,
        )
        cycle.response_started = cycle.response_complete = True
        self.transport.write(written)
        if cycle.keep_alive:
            cycle.on_response()
        elif cycle is self.cycle and self._phase is Phase.BODY:
            self._linger()
        else:
            self.transport.close()

    @override
    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self._refusal is not None:
            self._say(self._refusal)
        elif self._phase is Phase.HEAD:
            self._await_request()

    def _await_request(self) -> None:
        if self._unread:  # a part of the next request is here
            self._home.set_waiting(self)
            self._arm(self._limits.header_timeout)
            return
        self._is_idle = True
        self._home.set_waiting(self)
        self._arm(self._limits.idle_timeout)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer without the application, behind the answers that are owed, and close."""
        self._home.count_closed(refusal.name.lower().replace("_", "-"))
        cut_off = self._phase is Phase.BODY
        self._phase = Phase.NOTHING
        self._until = None
        if cut_off:
            cycle = self.cycle
            cycle.disconnected = True
            cycle.message_event.set()
            waiting = [each for each in self.pipeline if each[0] is cycle]
            if not waiting:
                self.transport.close() if cycle.response_started else self._say(refusal)
                return
            self.pipeline.remove(waiting[0])
            self._exchange.release()
        if self._is_answering or self.pipeline:
            self._refusal = refusal
        else:
            self._say(refusal)

    def _say(self, refusal: Refusal) -> None:
        """Write the refusal, the last answer of the connection."""
        self._refusal = None
        self._home.set_busy(self)
        if self.transport.is_closing():
            return
        self.transport.write(refusal.as_bytes)
        self._linger()

    def _linger(self) -> None:
        """Let the client read the answer while it still sends: a reset would take it away."""
        self._phase = Phase.NOTHING
        self.flow.resume_reading()
        with suppress(OSError):  # the client may have gone
            self.transport.write_eof()
        self._arm(_LINGER)

    # --- deadlines ----------------------------------------------------------------------------

    def _arm(self, seconds: float) -> None:
        """Look again in so many seconds. A timer that is set for earlier is left, and set anew when it is over."""
        self._until = self.loop.time() + seconds
        if self._timer is None or self._timer.when() > self._until:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self.loop.call_at(self._until, self._look_at_clock)

    def _look_at_clock(self) -> None:
        self._timer = None
        if self._until is None:
            return
        if self.loop.time() < self._until:
            self._timer = self.loop.call_at(self._until, self._look_at_clock)
            return
        self._until = None
        self._expire()

    def _expire(self) -> None:
        match self._phase:
            case Phase.NOTHING:
                self.transport.abort()
            case Phase.BODY if self.flow.read_paused:  # it is us who do not read
                self._arm(self._limits.body_timeout)
            case Phase.BODY:
                self._refuse(Refusal.SLOW_BODY)
            case Phase.HEAD if self._unread:
                self._refuse(Refusal.SLOW_HEADERS)
            case Phase.HEAD:
                self.close_idle("idle")

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self._limits.write_timeout, self._give_up)

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _give_up(self) -> None:
        self._write_timer = None
        self._home.count_closed("unread-answer")
        self.transport.abort()
