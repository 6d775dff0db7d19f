"""What the connections of a server share, and what it asks of each, so that neither imports the other."""

import asyncio
from typing import Protocol

from uvicorn import Config
from uvicorn.server import ServerState

from whereupon.web.serving.budget import Budget
from whereupon.web.serving.exchange import Exchange
from whereupon.web.serving.limits import Limits
from whereupon.web.serving.refusals import Refusal
from whereupon.web.serving.traffic import Traffic


class Member(Protocol):
    """A connection, as its home knows it.

    Attributes:
        address: of the client.
    """

    address: str

    def close_idle(self, why: str) -> None:
        """Close it, as it waits for a request."""
        ...

    def end_behind_answers(self) -> None:
        """Let the answers that are owed be its last."""
        ...

    def shutdown(self) -> None:
        """End it once what was asked is answered."""
        ...

    def abort(self) -> None:
        """Cut it."""
        ...


class Home(Protocol):
    """What the connections of a server share (see `Connections`)."""

    config: Config
    state: ServerState
    limits: Limits
    budget: Budget
    traffic: Traffic
    loop: asyncio.AbstractEventLoop
    is_ending: bool

    def add(self, connection: Member) -> Refusal | None:
        """Count a new connection; a refusal if there is no place for it."""
        ...

    def remove(self, connection: Member) -> None:
        """Forget a connection that is closed."""
        ...

    def set_busy(self, connection: Member) -> None:
        """It has sent a whole head, so it is not closed to make place."""
        ...

    def set_waiting(self, connection: Member) -> None:
        """It waits for a request."""
        ...

    def take(self, exchange: Exchange) -> bool:
        """Have a whole request answered without a task of its own; False if it needs one."""
        ...

    def count_closed(self, why: str) -> None:
        """Count a connection that the server ends."""
        ...
