"""The bytes of bodies: who is let in, and who waits for what."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st
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
        inside.let_in(SHOP)
        assert not budget.has_room(SHOP)
        waiting = [_received(budget, MOST // 16) for _ in range(3)]
        rooms = [asyncio.create_task(budget.room(SHOP, 60)) for _ in waiting]
        await asyncio.sleep(0)
        inside.release()
        for room, exchange in zip(rooms, waiting, strict=True):
            assert await room
            exchange.let_in(SHOP)
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


def test_bytes_move_to_the_key_that_is_found_in_the_body() -> None:
    """They are counted once."""
    budget = Budget(MOST, SHARE)
    exchange = _received(budget, 300_000)
    exchange.let_in(SHOP)
    found = Sharer("k-2", "", True)
    exchange.count_as(found)
    held = (budget.held_by(SHOP), budget.held_by(found), budget.held)
    assert held == (0, 300_000, 300_000)
    exchange.release()
    assert (budget.held_by(found), budget.held) == (0, 0)


def test_who_waits_too_long_is_told_and_the_place_goes_to_the_next() -> None:
    """The end of a wait takes nothing from those behind."""

    async def scene() -> tuple[bool, bool]:
        budget = Budget(MOST, SHARE)
        inside = _received(budget, MOST // 4)
        inside.let_in(SHOP)
        late = await budget.room(SHOP, 0.001)
        waiting = asyncio.create_task(budget.room(SHOP, 60))
        await asyncio.sleep(0)
        inside.release()
        return late, await waiting

    assert asyncio.run(scene()) == (False, True)


_KEYS = ("", "k-1", "k-2")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(_KEYS), st.integers(0, MOST // 3), st.sampled_from(["in", "out", "end"])
        ),
        max_size=60,
    )
)
def test_nothing_goes_beyond_the_budget_and_all_of_it_comes_back(
    steps: list[tuple[str, int, str]],
) -> None:
    """Whatever is received, let in and answered, in whichever order."""
    budget, there = Budget(MOST, SHARE), list[Exchange]()
    for key_id, size, step in steps:
        if step == "end" and there:
            there.pop(0).release()
            continue
        exchange = Exchange(_There(), budget)
        sharer = Sharer(key_id, "192.0.2.1")
        exchange.count_as(sharer)
        exchange.hold(size)
        there.append(exchange)
        if step == "in" and budget.has_room(Sharer(key_id)):
            exchange.let_in(sharer)
        assert budget.held == sum(each.held for each in there) <= MOST
    for each in there:
        each.release()
    assert budget.held == 0
    assert all(budget.has_room(Sharer(key_id)) for key_id in _KEYS)
    assert not any(budget.held_by(Sharer(key_id)) for key_id in _KEYS)


def test_an_address_without_a_key_keeps_no_other_address_out() -> None:
    """Apps have their key in the body, so nobody knows them before it is here; one of them holds its bodies up."""

    async def scene() -> bool:
        budget = Budget(MOST * 16, SHARE)
        slow, app = Sharer("", "192.0.2.66"), Sharer("", "192.0.2.1")
        held = []
        while budget.has_room(slow):
            exchange = Exchange(_There(), budget)
            exchange.let_in(slow)
            assert exchange.hold(1 << 20)
            held.append(exchange)
        outside = Exchange(_There(), budget)
        outside.count_as(slow)
        while outside.hold(1 << 20):
            pass
        late = asyncio.create_task(budget.room(slow, 60))
        await asyncio.sleep(0)

        assert budget.has_room(app)
        own = Exchange(_There(), budget)
        own.count_as(app)
        assert own.hold(1 << 20)
        own.let_in(app)
        own.release()
        held.pop().release()
        return await late

    assert asyncio.run(scene())


def test_addresses_without_a_key_have_one_share_together() -> None:
    """However many there are, keys that are known have their room."""
    budget = Budget(MOST * 16, SHARE)
    for number in range(1, 100):
        exchange = Exchange(_There(), budget)
        sharer = Sharer("", f"192.0.2.{number}")
        exchange.count_as(sharer)
        if budget.has_room(sharer):
            exchange.let_in(sharer)
        exchange.hold(1 << 20)
    assert budget.has_room(SHOP)
    assert budget.held <= MOST * 16 * (SHARE + SHARE)
