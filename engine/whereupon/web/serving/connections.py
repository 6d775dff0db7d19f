"""All connections of a server: how many there are, which wait for a request, and how they end."""

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable
from time import monotonic

from uvicorn import Config
from uvicorn.server import ServerState

from whereupon.runtime.log_lines import log_event
from whereupon.web.serving.budget import Budget
from whereupon.web.serving.connection import Connection
from whereupon.web.serving.exchange import Exchange
from whereupon.web.serving.home import Member
from whereupon.web.serving.limits import Limits
from whereupon.web.serving.refusals import Refusal
from whereupon.web.serving.traffic import Traffic

_LOG = logging.getLogger("whereupon.web")
_ROUNDS = 5
"""Rounds of the event loop from a socket that is accepted to its connection, and some more."""


class Connections:
    """What the connections of a server share. Only the thread of the event loop uses it.

    Attributes:
        is_ending: whether each answer is the last of its connection.
    """

    def __init__(
        self,
        config: Config,
        limits: Limits,
        budget: Budget,
        traffic: Traffic,
        loop: asyncio.AbstractEventLoop,
        take: Callable[[Exchange], bool],
    ) -> None:
        self.config = config
        self.state = ServerState()
        self.limits = limits
        self.budget = budget
        self.traffic = traffic
        self.loop = loop
        self.take = take
        self.is_ending = False
        self._is_closed = False
        self._open: set[Member] = set()
        self._waiting: OrderedDict[Member, None] = OrderedDict()
        self._by_address: Counter[str] = Counter()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def make(self) -> Connection:
        """The protocol of a new connection."""
        return Connection(self)

    def add(self, connection: Member) -> Refusal | None:
        """Count a new connection; a refusal if there is no place for it."""
        self.traffic.connections_taken += 1
        if self._is_closed:
            return self._turn_away("busy")
        most = self.limits.per_address
        if most and self._by_address[connection.address] >= most:
            return self._turn_away("address-busy")
        if len(self._open) >= self.limits.connections:
            if not self._waiting:
                return self._turn_away("busy")
            self._waiting.popitem(last=False)[0].close_idle("displaced")
        self._open.add(connection)
        self._by_address[connection.address] += 1
        self._waiting[connection] = None
        self._emptied.clear()
        self.traffic.connections = len(self._open)
        return None

    def _turn_away(self, why: str) -> Refusal:
        self.count_closed(why)
        return Refusal.BUSY

    def remove(self, connection: Member) -> None:
        """Forget a connection that is closed."""
        if connection not in self._open:
            return
        self._open.remove(connection)
        self._waiting.pop(connection, None)
        self._by_address[connection.address] -= 1
        if not self._by_address[connection.address]:
            del self._by_address[connection.address]
        if not self._open:
            self._emptied.set()
        self.traffic.connections = len(self._open)

    def set_busy(self, connection: Member) -> None:
        """It has sent a whole head, so it is not closed to make place."""
        self._waiting.pop(connection, None)

    def set_waiting(self, connection: Member) -> None:
        """It waits for a request."""
        if connection in self._open:
            self._waiting[connection] = None

    def count_closed(self, why: str) -> None:
        """Count a connection that the server ends."""
        self.traffic.closed[why] += 1

    def drain(self) -> None:
        """Have each connection end behind its answer. One that waits may still send a request."""
        self.is_ending = True
        for each in self._open:
            each.end_behind_answers()

    async def ended(self, until: float) -> None:
        """Close those that wait, let the others have their answers until a time of the clock, and cut what is left."""
        await _let_accepted_in()
        self._is_closed = True
        self.drain()
        for each in list(self._open):
            each.shutdown()
        try:
            async with asyncio.timeout(max(0.0, until - monotonic())):
                await self._emptied.wait()
        except TimeoutError:
            log_event(_LOG, logging.WARNING, "connections-cut", number=len(self._open))
            for each in list(self._open):
                each.abort()
        await _let_accepted_in()


async def _let_accepted_in() -> None:
    """Let asyncio make the connections of sockets that it has accepted, and close those that are to be closed."""
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)
