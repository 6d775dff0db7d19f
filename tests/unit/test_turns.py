"""Turns: whoever has asked first is the next, and nobody who gives up is waited for."""

from threading import Thread
from time import monotonic

from whereupon.stores.turns import OneByOne


def _await_waiting(turns: OneByOne, count: int) -> None:
    deadline = monotonic() + 60
    while turns.waiting < count:
        assert monotonic() < deadline


def test_turns_go_in_the_order_in_which_they_were_asked_for() -> None:
    """Also where somebody who has just had theirs asks again."""
    turns, order = OneByOne(), list[int]()

    def ask(number: int) -> None:
        with turns.take():
            order.append(number)

    threads = [Thread(target=ask, args=(number,)) for number in range(5)]
    with turns.take():
        for place, thread in enumerate(threads, 1):
            thread.start()
            _await_waiting(turns, place)
    with turns.take():
        order.append(99)
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4, 99]
    assert turns.waiting == 0


def test_one_turn_at_a_time() -> None:
    """What is done in a turn is done by one thread alone."""
    turns, inside, most = OneByOne(), [0], [0]

    def work() -> None:
        for _ in range(200):
            with turns.take():
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, inside) == ([1], [0])
    with turns.take():  # nobody has kept it
        assert turns.waiting == 0
