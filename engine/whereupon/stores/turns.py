"""Letting the threads of one process write one after the other, and saying so when one never could."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, get_ident

from whereupon.errors import StoreError


class Turns:
    """A lock that refuses, instead of hanging, when its holder asks for it again."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._holder: int | None = None

    @contextmanager
    def take(self) -> Iterator[None]:
        """Wait for the turn and keep it for the block."""
        if self._holder == get_ident():
            reason = "this thread has a session open already: use that one, or close it first"
            raise StoreError(code="nested-session", reason=reason)
        with self._lock:
            self._holder = get_ident()
            try:
                yield
            finally:
                self._holder = None
