"""How long a call may wait: for locks, for other writers and between attempts, all together."""

from threading import local
from time import monotonic, sleep

from whereupon.errors import StoreError

_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.02


class _Call(local):
    """When the call began that a thread is in."""

    began: float | None = None


_CALL = _Call()


class one_call:  # noqa: N801 - used as contextlib's managers are, and for every message
    """Count all waiting within the block as that of one call. A block within a block adds nothing.

    So a call of several transactions has the same deadline as a call of one. Most calls are one transaction, which
    waits once: for the first transaction of a call nobody needs the block.

    Args:
        began: what `monotonic` said when the call began; None for now.
    """

    __slots__ = ("_began", "_is_outer")

    def __init__(self, began: float | None = None) -> None:
        self._began = began

    def __enter__(self) -> None:
        self._is_outer = _CALL.began is None
        if self._is_outer:
            _CALL.began = self._began or monotonic()

    def __exit__(self, *_: object) -> None:
        if self._is_outer:
            _CALL.began = None


class Deadline:
    """When a call gives up, and pauses that grow until then.

    Args:
        seconds: how long the call may wait since it began (see `one_call`); outside of a call, from now on.
    """

    __slots__ = ("_end", "_pause")

    def __init__(self, seconds: float) -> None:
        self._end = (_CALL.began or monotonic()) + seconds
        self._pause = _FIRST_PAUSE

    @property
    def left(self) -> float:
        """The seconds that are left; zero or less if the deadline has passed."""
        return self._end - monotonic()

    def wait(self) -> bool:
        """Pause; False, at once, if the deadline has passed."""
        left = self.left
        if left <= 0:
            return False
        sleep(min(self._pause, left))
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        return True


def busy() -> StoreError:
    """The error of a call that waited too long."""
    reason = (
        "another transaction keeps the database locked: "
        "end it, or lend its connection with connection="
    )
    return StoreError(code="busy", reason=reason)
