"""The bytes of bodies: who is let in, and who waits for what."""

import asyncio

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from whereupon.web.http import Answer
from whereupon.web.serving.budget import Budget, Sharer
from whereupon.web.serving.exchange import Exchange

SHOP = Sharer("k-1", "192.0.2.1")
MOST = 4 << 20
SHARE = 0.25


class _There:
    """A client that waits for its answer."""

    is_gone = False

    def answer(self, cycle: RequestResponseCycle, answer: Answer) -> None:
        """Nobody answers here."""


def _received(budget: Budget, size: int) -> Exchange:
    """A request of the shop's whose body has come in while it waits."""
    exchange = Exchange(_There(), budget)
    exchange.count_as(SHOP)
    assert exchange.hold(size)
    return exchange


def test_requests_that_wait_do_not_keep_each_other_out() -> None:
    """Their bodies are received meanwhile; if they counted, all would wait for one another, and for nothing else."""
    budget = Budget(MOST, SHARE)
    for _ in range(4):
        _received(budget, MOST // 16)
    assert budget.has_room(SHOP)


def test_a_key_whose_share_is_in_waits_until_some_of_it_is_answered() -> None:
    """And then those that wait are let in, one after the other."""

    async def scene() -> list[bool]:
        budget = Budget(MOST, SHARE)
        inside = _received(budget, MOST // 4)
        inside.let_in()
        assert not budget.has_room(SHOP)
        waiting = [_received(budget, MOST // 16) for _ in range(3)]
        rooms = [asyncio.create_task(budget.room(SHOP, 60)) for _ in waiting]
        await asyncio.sleep(0)
        inside.release()
        for room, exchange in zip(rooms, waiting, strict=True):
            assert await room
            exchange.let_in()
            exchange.release()
        assert budget.held == 0
        return [room.result() for room in rooms]

    assert asyncio.run(scene()) == [True, True, True]


def test_what_waits_has_a_bound_of_its_own() -> None:
    """A key cannot fill the memory with requests that were not let in, and leaves the room of others alone."""
    budget = Budget(MOST, SHARE)
    taken = 0
    exchange = Exchange(_There(), budget)
    exchange.count_as(SHOP)
    while exchange.hold(1 << 16):
        taken += 1 << 16
    assert taken == MOST // 4
    other = Exchange(_There(), budget)
    other.count_as(Sharer("k-2", "192.0.2.1"))
    assert other.hold(1 << 16)
    exchange.release()
    other.release()
    assert budget.held == 0
