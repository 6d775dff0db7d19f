"""Letting the threads of one process write one after the other, and saying so when one never could."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, get_ident, local

from whereupon.errors import StoreError


class Turns(ABC):
    """Refuses, instead of hanging, what asks for a turn within its own."""

    @contextmanager
    def take(self) -> Iterator[None]:
        """Wait for the turn, if need be, and keep it for the block."""
        self.refuse_nesting()
        with self._turn():
            yield

    def refuse_nesting(self) -> None:
        """Raise where this thread has its turn already."""
        if self._is_mine():
            reason = "this thread has a session open already: use that one, or close it first"
            raise StoreError(code="nested-session", reason=reason)

    @abstractmethod
    def _is_mine(self) -> bool: ...

    @abstractmethod
    @contextmanager
    def _turn(self) -> Iterator[None]: ...


class OneByOne(Turns):
    """One thread at a time."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._holder: int | None = None

    def _is_mine(self) -> bool:
        return self._holder == get_ident()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with self._lock:
            self._holder = get_ident()
            try:
                yield
            finally:
                self._holder = None


class SideBySide(Turns):
    """All threads at once, each in one turn of its own at a time."""

    def __init__(self) -> None:
        self._mine = local()

    def _is_mine(self) -> bool:
        return bool(getattr(self._mine, "taken", False))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        self._mine.taken = True
        try:
            yield
        finally:
            self._mine.taken = False
