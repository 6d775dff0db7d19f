"""How many deliveries ended, for the caller that asked for them to be handed over."""

from collections import Counter
from threading import Lock

from whereupon.ports import Settlement
from whereupon.records import DeliveryState


class Counts:
    """How many deliveries ended in which state since they were last asked for, and how many entries go on by it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[DeliveryState] = Counter()
        self._woken = 0

    def add(self, end: Settlement) -> None:
        """Count a delivery."""
        with self._lock:
            self._counts[end.state] += 1
            self._woken += end.wakes is not None

    def let_on(self, entries: int) -> None:
        """Count entries that have become due since deliveries ended."""
        with self._lock:
            self._woken += entries

    def take(self) -> tuple[Counter[DeliveryState], int]:
        """The counts; they begin anew, so that each delivery is counted for one caller."""
        with self._lock:
            taken = self._counts, self._woken
            self._counts, self._woken = Counter(), 0
        return taken
