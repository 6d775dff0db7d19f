"""Lanes, alone: what is called, recorded and put back, and in which order."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Barrier, Event, Thread

import pytest

from whereupon.delivery.lanes import MOST_HANGING, CallEnd, Lane, NotTriedError

_PATIENCE = 10.0  # seconds; only a failing test ever waits so long


@dataclass
class _Work:
    """Items for a lane, all kept in memory.

    Attributes:
        items: what there is to take, so many at once.
        steps: the call that was recorded, and the item that was prepared with it.
        ends: all calls and items that were recorded, each with the type of its error.
        offered: the items of each attempt to put some back; `refusals` of these attempts fail.
        dropped: items that are not to be called when their turn comes.
        unrecorded: the item whose call cannot be recorded.
    """

    items: list[str] = field(default_factory=list)
    at_once: int = 99
    steps: list[tuple[str | None, str | None]] = field(default_factory=list)
    ends: dict[str, type[BaseException] | None] = field(default_factory=dict)
    offered: list[list[str]] = field(default_factory=list)
    refusals: int = 0
    dropped: frozenset[str] = frozenset()
    unrecorded: str | None = None

    def take(self, _free: int) -> Sequence[str]:
        taken, self.items = self.items[: self.at_once], self.items[self.at_once :]
        return taken

    def settle_and_prepare(self, ended: CallEnd[str] | None, following: str | None) -> str | None:
        if ended is not None:
            if ended.item == self.unrecorded:
                raise ConnectionError(ended.item)
            self.settle([ended])
        self.steps.append((ended and ended.item, following))
        return None if following in self.dropped else following

    def settle(self, ends: Sequence[CallEnd[str]]) -> None:
        self.ends |= {each.item: None if each.error is None else type(each.error) for each in ends}

    def put_back(self, items: Sequence[str]) -> bool:
        self.offered.append([*items])
        return len(self.offered) > self.refusals


def lane(
    work: _Work, function: Callable[[str], object], *, limit: float = 60, width: int = 1
) -> Lane[str]:
    """A channel whose items are their own keys."""

    def late(seconds: float) -> TimeoutError:
        return TimeoutError(f"{seconds:g} s")

    return Lane(
        "channel", "push", function, work, limit=limit, key_of=str, timeout_error=late, width=width
    )


def run(each: Lane[str]) -> None:
    """Do all that there is to do."""
    each.wake()
    each.join()


@contextmanager
def hanging(work: _Work) -> Iterator[tuple[Lane[str], Callable[[], None]]]:
    """A lane that another thread waits for, in its first call; and what ends that call."""
    began, released = Event(), Event()

    def hang(_: str) -> None:
        began.set()
        assert released.wait(_PATIENCE)

    push = lane(work, hang)
    push.wake()
    waiting = Thread(target=push.join)
    waiting.start()
    assert began.wait(_PATIENCE)
    yield push, released.set
    released.set()
    waiting.join(_PATIENCE)
    assert not waiting.is_alive()


def test_a_call_is_recorded_in_the_step_that_prepares_the_next() -> None:
    """A call costs one transaction; errors are recorded like successes."""
    work = _Work([*"abc"])

    def send(item: str) -> None:
        if item == "b":
            raise ValueError(item)

    run(lane(work, send))
    assert work.steps == [(None, "a"), ("a", "b"), ("b", "c"), ("c", None)]
    assert work.ends == {"a": None, "b": ValueError, "c": None}


def test_an_item_that_is_dropped_when_its_turn_comes_is_not_called() -> None:
    """It may have been withheld, erased, or taken by another process."""
    work, called = _Work([*"abc"], dropped=frozenset("b")), list[str]()
    run(lane(work, called.append))
    assert called == ["a", "c"]


def test_a_lane_takes_items_until_there_are_none() -> None:
    """One waking is enough, however few are taken at once; a call is recorded before the next are taken."""
    work, called = _Work([*"abcde"], at_once=2), list[str]()
    run(lane(work, called.append))
    assert called == [*"abcde"]
    assert work.steps[2:4] == [("b", None), (None, "c")]


def test_so_many_calls_run_side_by_side_as_the_lane_is_wide() -> None:
    """Three calls meet; a fourth would break the barrier."""
    work, meeting = _Work([*"abcdef"]), Barrier(3)
    run(lane(work, lambda _: meeting.wait(_PATIENCE), width=3))
    assert work.ends == dict.fromkeys("abcdef")


def test_a_lane_that_is_woken_in_a_call_takes_more_beside_it() -> None:
    """A slow call holds up none of the others, if the lane is wide enough."""
    work, began, released, done = _Work(["slow"]), Event(), Event(), Event()

    def send(item: str) -> None:
        if item == "slow":
            began.set()
            assert released.wait(_PATIENCE)
        else:
            done.set()

    push = lane(work, send, width=2)
    push.wake()
    assert began.wait(_PATIENCE)
    work.items.append("quick")
    push.wake()
    assert done.wait(_PATIENCE)
    released.set()
    push.join()
    assert work.ends == {"slow": None, "quick": None}


def test_what_cannot_be_recorded_is_raised_in_the_thread_that_waits() -> None:
    """The items behind it are put back; the next waking goes on."""
    work, called = _Work([*"ab"], unrecorded="a"), list[str]()
    push = lane(work, called.append)
    with pytest.raises(ConnectionError, match=r"^a$"):
        run(push)
    assert work.offered == [["b"]]
    work.items = [*"c"]
    run(push)
    assert called == ["a", "c"]


def test_stopping_puts_back_what_waits_and_lets_the_call_end() -> None:
    """Nothing is called any more afterwards."""
    work = _Work([*"abc"])
    with hanging(work) as (push, release):
        push.stop()
        assert work.offered == [["b", "c"]]
        release()
        assert push.end(_PATIENCE)
    assert work.ends == {"a": None}
    work.items = [*"d"]
    run(push)
    assert work.items == ["d"]


def test_items_that_could_not_be_put_back_are_offered_again_when_the_call_ends() -> None:
    """The store may be back by then."""
    work = _Work([*"abc"], refusals=1)
    with hanging(work) as (push, _):
        push.stop()
    assert work.offered == [["b", "c"], ["b", "c"]]


def test_the_end_abandons_a_call_that_hangs() -> None:
    """Nobody records how it ends: its lease runs out, and it is tried again."""
    work = _Work([*"a"])
    with hanging(work) as (push, _):
        push.stop()
        assert not push.end(0)
    assert work.ends == {}


def test_a_call_beyond_its_limit_fails_and_what_waits_behind_it_is_not_tried() -> None:
    """A hundred items are not a hundred time-outs."""
    work, released = _Work([*"ab"]), Event()
    run(lane(work, lambda _: released.wait(_PATIENCE), limit=0.05))
    released.set()
    assert work.ends == {"a": TimeoutError, "b": NotTriedError}


def test_beside_a_call_that_hangs_the_others_go_on() -> None:
    """A wide lane loses one of its calls."""
    work, released = _Work([*"abcd"]), Event()

    def send(item: str) -> None:
        if item == "a":
            released.wait(_PATIENCE)

    run(lane(work, send, limit=0.05, width=2))
    released.set()
    assert work.ends == {"a": TimeoutError, "b": None, "c": None, "d": None}


def test_a_function_that_hangs_in_many_calls_is_not_called(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing is taken for it either: another process may have more luck."""
    work, released = _Work(), Event()
    push = lane(work, lambda _: released.wait(_PATIENCE), limit=0.01)
    for number in range(MOST_HANGING):
        work.items = [str(number)]
        run(push)
    work.items = ["more"]
    with caplog.at_level(logging.WARNING):
        run(push)
    released.set()
    assert (work.items, push.is_closed) == (["more"], True)
    assert "channel-closed channel=push hanging=4" in caplog.text
