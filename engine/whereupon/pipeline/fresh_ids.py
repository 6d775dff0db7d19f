"""Ids for messages that come without one, and for occasions without a name."""

import secrets
from typing import Final

from whereupon.runtime.forks import ForkAware, watch_forks

_BYTES, _AT_ONCE = 12, 64
"""The random bytes of an id; the ids that are drawn from the system at once."""


class FreshIds(ForkAware):
    """Random ids. Thread-safe.

    They are drawn many at once. A thread that asks the system lets other threads go first, and would have to wait for
    its turn in each call.
    """

    def __init__(self) -> None:
        self._drawn: list[str] = []
        watch_forks(self)

    def __call__(self) -> str:
        """An id that nobody has."""
        try:
            return self._drawn.pop()
        except IndexError:
            digits, width = secrets.token_hex(_AT_ONCE * _BYTES), 2 * _BYTES
            new = [digits[first : first + width] for first in range(0, len(digits), width)]
            self._drawn += new[1:]
            return new[0]

    def after_fork_in_child(self) -> None:
        """Draw others: the parent hands out these."""
        self._drawn = []


fresh_id: Final = FreshIds()
"""An id for a message that came without one."""
