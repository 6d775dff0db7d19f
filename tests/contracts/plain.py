"""A store that implements only the methods without a default: the least that a third party writes."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar, cast

from whereupon.ports import Session, Store
from whereupon.storage import open_store

T = TypeVar("T")


def plain(inner: Session) -> Session:
    """A session with the ports' defaults, on another session that answers the rest."""
    missing: frozenset[str] = getattr(Session, "__abstractmethods__")  # noqa: B009 - not in its type
    answers = {name: _passing_on(inner, name) for name in missing}
    made: type = type("PlainSession", (Session,), answers)
    return cast("Session", made())


def _passing_on(inner: Session, name: str) -> object:
    answer: Callable[..., object] = getattr(inner, name)

    def passed_on(_self: Session, *args: object, **named: object) -> object:
        return answer(*args, **named)

    return passed_on


class PlainStore:
    """Keeps everything in an in-memory store; its sessions are `plain`."""

    def __init__(self) -> None:
        self._inner = open_store("memory://")

    @contextmanager
    def session(self, connection: object = None) -> Iterator[Session]:
        """A plain session."""
        with self._inner.session(connection) as session:
            yield plain(session)

    def reading(self) -> AbstractContextManager[Session]:
        """A session like any other."""
        return self.session()

    def watch(self, changed: Callable[[], object]) -> None:
        """There are no other processes."""
        del changed

    def scrub(self) -> bool:
        """Nothing is left behind."""
        return self._inner.scrub()

    def transact(self, work: Callable[[Session], T], *, alone: bool = False) -> T:
        """Do work on a plain session."""
        return self._inner.transact(lambda session: work(plain(session)), alone=alone)

    def is_awaited(self) -> None:
        """Nobody is told."""

    def close(self) -> None:
        """Refuse later calls."""
        self._inner.close()


_IS_A_STORE: Store = PlainStore()
