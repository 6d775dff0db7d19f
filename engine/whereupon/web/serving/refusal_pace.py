"""When a refusal is answered: a key that sends again at once is answered at a pace, so that refusing costs little.

The first refusal goes out at once. A client that waits as `Retry-After` says never notices the pace. One that does not
would have the time of the process that others need.
"""

from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from time import monotonic

from whereupon.web.http import Answer
from whereupon.web.serving.budget import Sharer

_TOO_MANY = HTTPStatus.TOO_MANY_REQUESTS.value
_BETWEEN = 0.01
"""Seconds between two refusals of one key, or of one address without a key that is known."""
_LONGEST = 5.0
"""Seconds that a refusal waits at most; clients give up after ten."""
_MOST = 10_000
"""How many keys and addresses are remembered."""


class RefusalPace:
    """Says how long refusals wait. Only the thread of the event loop asks.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._next: OrderedDict[Sharer, float] = OrderedDict()

    def wait(self, sharer: Sharer, answer: Answer) -> float:
        """The seconds for which an answer waits; 0 for every answer but 429."""
        if answer.status != _TOO_MANY:
            return 0.0
        now = self._clock()
        at = min(max(now, self._next.pop(sharer, now)), now + _LONGEST)
        self._next[sharer] = at + _BETWEEN
        if len(self._next) > _MOST:
            self._next.popitem(last=False)
        return at - now
