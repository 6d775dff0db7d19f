"""One request and its answer, as the connection, the queue and the application share it."""

from typing import Protocol

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from whereupon.web.http import Answer
from whereupon.web.serving.budget import Budget, Sharer

EXTENSION = "whereupon.exchange"
"""The name under which the scope of ASGI has the exchange."""


class Client(Protocol):
    """The other end."""

    def answer(self, cycle: RequestResponseCycle, answer: Answer) -> None:
        """Answer a request."""
        ...

    @property
    def is_gone(self) -> bool:
        """Whether it has closed the connection."""
        ...


class Exchange:
    """What a request holds of the budget for bodies, and whether the client still waits for the answer.

    Attributes:
        held: bytes of the body that are counted.
        sharer: whose request it is; None before that was looked for.
        cycle: the request, as uvicorn has it.
        begun: when a thread began with it, by the monotonic clock.
    """

    __slots__ = (
        "_budget",
        "_client",
        "_is_forgotten",
        "_is_in",
        "begun",
        "cycle",
        "held",
        "sharer",
    )

    def __init__(self, client: Client, budget: Budget) -> None:
        self._client = client
        self._budget = budget
        self._is_forgotten = False
        self._is_in = False
        self.held = 0
        self.begun = 0.0
        self.cycle: RequestResponseCycle | None = None
        self.sharer: Sharer | None = None

    @property
    def is_gone(self) -> bool:
        """Whether the client has closed the connection."""
        return self._client.is_gone

    def answer(self, answer: Answer) -> None:
        """Send the answer."""
        if self.cycle is not None:
            self._client.answer(self.cycle, answer)

    def hold(self, size: int) -> bool:
        """Count bytes of the body; False if there is no room for them."""
        if self._is_forgotten:
            return True
        if not self._budget.hold(self.sharer, size, is_in=self._is_in):
            return False
        self.held += size
        return True

    def count_as(self, sharer: Sharer) -> None:
        """Say whose request it is."""
        self._budget.move(self.sharer, sharer, self.held, is_in=self._is_in)
        self.sharer = sharer

    def let_in(self, sharer: Sharer) -> None:
        """Say that there is room for a sharer's request; before that, its bytes keep no other from being let in."""
        if not self._is_in:
            self._budget.let_in(self.sharer, sharer, self.held)
            self.sharer, self._is_in = sharer, True

    def forget(self) -> None:
        """Count no more of the body: what still comes is thrown away at once."""
        self._is_forgotten = True
        self.release()

    def release(self) -> None:
        """Give back what is held, since the body is gone."""
        self._budget.release(self.sharer, self.held, is_in=self._is_in)
        self.held = 0


def exchange_of(cycle: RequestResponseCycle) -> Exchange:
    """The exchange of a request, as uvicorn has it."""
    exchange: Exchange = cycle.scope["extensions"][EXTENSION]  # type: ignore[assignment]  # ours
    return exchange
