"""Whether the store answers, as all requests of a process know it: one thread asks, so that they need not find out."""

from collections.abc import Callable
from threading import Event, Thread
from time import monotonic

from whereupon.engine import Engine
from whereupon.errors import StoreError

EVERY = 1.0
"""Seconds between two questions."""
LONGEST = 5.0
"""Seconds after which a store that does not answer counts as away."""


class StoreWatch:
    """Asks the store from a thread of its own.

    Args:
        ask: reads something small; it raises a `StoreError` if the store is away.
        every: seconds between two questions.
        longest: seconds that an answer may take.
    """

    def __init__(
        self, ask: Callable[[], object], *, every: float = EVERY, longest: float = LONGEST
    ) -> None:
        self._ask = ask
        self._every = every
        self._longest = longest
        self._ended = Event()
        self._code: str | None = None
        self._asked_at: float | None = None
        self._thread = Thread(target=self._watch, name="whereupon-store-watch", daemon=True)

    def start(self) -> None:
        """Ask once, and begin to watch."""
        self._look()
        self._thread.start()

    @property
    def is_away(self) -> bool:
        """Whether the last answer was an error, or none comes."""
        return self.code is not None

    @property
    def code(self) -> str | None:
        """The code of the `StoreError`, or ``no-answer``; None if the store answers."""
        if self._code is not None:
            return self._code
        asked_at = self._asked_at
        is_late = asked_at is not None and monotonic() - asked_at > self._longest
        return "no-answer" if is_late else None

    def close(self) -> None:
        """Ask no more. A question that hangs is left alone."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join(self._every)

    def _watch(self) -> None:
        while not self._ended.wait(self._every):
            self._look()

    def _look(self) -> None:
        self._asked_at = monotonic()
        try:
            self._ask()
        except StoreError as error:
            self._code = error.code
        except Exception as error:  # noqa: BLE001 - a driver's own; the watch has to go on
            self._code = type(error).__name__
        else:
            self._code = None
        self._asked_at = None


def question_to(engine: Engine) -> Callable[[], object]:
    """A small question to the store of an engine."""

    def ask() -> object:
        with engine.store.reading() as session:
            return session.mark("erasures")

    return ask
