"""Work that several threads ask for at once and that costs less together, such as a transaction."""

from collections.abc import Callable, Sequence
from threading import Condition, Lock
from typing import Generic, TypeVar

from whereupon.runtime.forks import ForkAware, watch_forks

Q = TypeVar("Q")
A = TypeVar("A")

MOST = 64
"""The most requests that are answered together, so that later ones do not wait long."""


class _Slot(Generic[Q, A]):
    """One thread's request, and what became of it."""

    def __init__(self, request: Q) -> None:
        self.request = request
        self.answers: list[A] = []
        self.is_given_up = False


class Combined(ForkAware, Generic[Q, A]):
    """Answers requests of several threads together: one of the threads does the work for all that wait.

    Args:
        work: answers requests, in their order, all or none.
        gathering: the most seconds that work waits for as many requests as were answered together before. Threads
            that were answered together mostly ask again together. The first of them would else begin alone, and
            the others would wait for its work.
    """

    def __init__(self, work: Callable[[Sequence[Q]], Sequence[A]], *, gathering: float = 0) -> None:
        self._work = work
        self._gathering = gathering
        self._begin()
        watch_forks(self)

    def _begin(self) -> None:
        lock = Lock()
        self._changed, self._came = Condition(lock), Condition(lock)
        self._waiting: list[_Slot[Q, A]] = []
        self._is_busy = False
        self._expected = 1

    def after_fork_in_child(self) -> None:
        """The threads that wait are the parent's."""
        self._begin()

    def ask(self, request: Q) -> A:
        """The answer to a request.

        If the work for several fails, each thread asks again alone, so that one request fails no other.

        Raises:
            Exception: what the work raised for this request alone.
        """
        slot = _Slot[Q, A](request)
        with self._changed:
            self._waiting.append(slot)
            if self._are_there():
                self._came.notify()
            self._changed.wait_for(lambda: slot.answers or slot.is_given_up or not self._is_busy)
            if slot.answers:
                return slot.answers[0]
            together = [slot] if slot.is_given_up else self._take(slot)
        return self._lead(slot, together)

    def _take(self, own: _Slot[Q, A]) -> Sequence[_Slot[Q, A]]:
        """What waits, this thread's among it."""
        self._is_busy = True
        self._came.wait_for(self._are_there, self._gathering)
        self._waiting.remove(own)
        others, self._waiting = self._waiting[: MOST - 1], self._waiting[MOST - 1 :]
        self._expected = 1 + len(others)
        return [own, *others]

    def _are_there(self) -> bool:
        """Whether as many wait as were answered together before."""
        return len(self._waiting) >= self._expected

    def _lead(self, own: _Slot[Q, A], together: Sequence[_Slot[Q, A]]) -> A:
        """Do the work; threads whose slot is given up do their own, beside one another."""
        answers: Sequence[A] = ()
        try:
            answers = self._work([each.request for each in together])
        except Exception:
            if len(together) == 1:
                raise
        finally:
            self._tell(own, together, answers)
        return answers[0] if answers else self._work([own.request])[0]

    def _tell(
        self, own: _Slot[Q, A], together: Sequence[_Slot[Q, A]], answers: Sequence[A]
    ) -> None:
        with self._changed:
            if not own.is_given_up:
                self._is_busy = False
            for slot, answer in zip(together, answers, strict=False):
                slot.answers.append(answer)
            for slot in together[len(answers) :]:
                slot.is_given_up = True
            self._changed.notify_all()
