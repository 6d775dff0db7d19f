"""The write lock: the thread that asked first is the next, and threads that give up are skipped."""

from threading import Thread
from time import monotonic

from whereupon.errors import StoreError
from whereupon.storage.deadline import Deadline, one_call
from whereupon.storage.write_lock import FairLock


def _await_waiting(lock: FairLock, count: int) -> None:
    deadline = monotonic() + 60
    while lock.waiting < count:
        assert monotonic() < deadline


def test_the_write_lock_goes_to_the_thread_that_asked_first() -> None:
    """Also if the thread that has just released it asks again."""
    lock, order = FairLock(), list[int]()

    def ask(number: int) -> None:
        with lock.take():
            order.append(number)

    threads = [Thread(target=ask, args=(number,)) for number in range(5)]
    with lock.take():
        for place, thread in enumerate(threads, 1):
            thread.start()
            _await_waiting(lock, place)
    with lock.take():
        order.append(99)
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4, 99]
    assert lock.waiting == 0


def test_one_thread_at_a_time_holds_the_write_lock() -> None:
    """Work under the lock is done by one thread alone."""
    lock, inside, most = FairLock(), [0], [0]

    def work() -> None:
        for _ in range(200):
            with lock.take():
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, inside) == ([1], [0])
    with lock.take():  # nobody has kept it
        assert lock.waiting == 0


def test_no_thread_waits_for_the_write_lock_longer_than_its_patience() -> None:
    """A thread that gives up leaves the queue; the others get the lock."""
    lock, codes = FairLock(), list[str]()

    def ask() -> None:
        try:
            with lock.take(Deadline(0.05)):
                codes.append("none")
        except StoreError as error:
            codes.append(error.code)

    threads = [Thread(target=ask) for _ in range(3)]
    with lock.take():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert lock.waiting == 0
    assert codes == ["busy"] * 3
    with lock.take(Deadline(0)):
        assert lock.waiting == 0


def test_all_waits_of_a_call_count_together() -> None:
    """Later waits within a call have only the rest of its patience."""
    with one_call():
        first = Deadline(30)
        with one_call():
            assert not Deadline(-1).wait()
            second = Deadline(30)
    assert second._end == first._end  # noqa: SLF001 - when it ends
    assert Deadline(30)._end > first._end  # noqa: SLF001
