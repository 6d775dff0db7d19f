"""Calls of the host's functions, alone: what the settler records, puts back, and in which order."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread

import pytest

from whereupon.delivery.host_calls import CallEnd, HostCaller, Line, NotTriedError

_PATIENCE = 10.0  # seconds; only a failing test ever waits so long


@dataclass
class _Notes:
    """A settler that keeps everything in memory.

    Attributes:
        steps: the call that was recorded, and the item that was prepared with it.
        ends: all calls and items that were recorded, each with the type of its error.
        offered: the items of each attempt to put some back; `refusals` of these attempts fail.
        dropped: items that are not to be called when their turn comes.
        unrecorded: the item whose call cannot be recorded.
    """

    steps: list[tuple[str | None, str | None]] = field(default_factory=list)
    ends: dict[str, type[BaseException] | None] = field(default_factory=dict)
    offered: list[list[str]] = field(default_factory=list)
    refusals: int = 0
    dropped: frozenset[str] = frozenset()
    unrecorded: str | None = None

    def settle_and_prepare(
        self, returned: CallEnd[str] | None, following: str | None
    ) -> str | None:
        if returned is not None:
            if returned.item == self.unrecorded:
                raise ConnectionError(returned.item)
            self.settle([returned])
        self.steps.append((returned and returned.item, following))
        return None if following in self.dropped else following

    def settle(self, ends: Sequence[CallEnd[str]]) -> None:
        self.ends |= {each.item: None if each.error is None else type(each.error) for each in ends}

    def put_back(self, items: Sequence[str]) -> bool:
        self.offered.append([*items])
        return len(self.offered) > self.refusals


@pytest.fixture
def caller() -> HostCaller[str]:
    """A caller of channels, whose items are their own keys."""
    return HostCaller("channel", str, lambda seconds: TimeoutError(f"{seconds:g} s"))


def line(name: str, function: Callable[[str], object], items: str, limit: float = 60) -> Line[str]:
    """A function with one item for each letter."""
    return Line(name, function, list(items), limit)


@contextmanager
def hanging(caller: HostCaller[str], notes: _Notes, items: str) -> Iterator[Callable[[], None]]:
    """A round in another thread that is in its first call; the block gets what ends that call."""
    began, released = Event(), Event()

    def hang(_: str) -> None:
        began.set()
        assert released.wait(_PATIENCE)

    round_ = Thread(target=caller.call, args=([line("push", hang, items)], notes))
    round_.start()
    assert began.wait(_PATIENCE)
    yield released.set
    released.set()
    round_.join(_PATIENCE)
    assert not round_.is_alive()


def test_a_call_is_recorded_in_the_step_that_prepares_the_next(caller: HostCaller[str]) -> None:
    """A call costs one transaction; errors are recorded like successes."""
    notes = _Notes()

    def send(item: str) -> None:
        if item == "b":
            raise ValueError(item)

    assert caller.call([line("push", send, "abc")], notes) == set()
    assert notes.steps == [(None, "a"), ("a", "b"), ("b", "c"), ("c", None)]
    assert notes.ends == {"a": None, "b": ValueError, "c": None}


def test_an_item_that_is_dropped_when_its_turn_comes_is_not_called(caller: HostCaller[str]) -> None:
    """It may have been withheld, erased, or taken by another process."""
    notes, called = _Notes(dropped=frozenset("b")), list[str]()
    caller.call([line("push", called.append, "abc")], notes)
    assert called == ["a", "c"]


def test_when_time_is_up_one_call_is_made_and_the_rest_is_put_back(caller: HostCaller[str]) -> None:
    """So every round makes progress, however long the work before it took."""
    notes, called = _Notes(), list[str]()
    caller.call([line("push", called.append, "abc")], notes, in_time=lambda: False)
    assert (called, notes.offered) == (["a"], [["b", "c"]])


def test_a_closed_function_is_not_called_and_its_items_are_not_tried(
    caller: HostCaller[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The other functions of the round are called."""
    notes, called = _Notes(), list[str]()
    lines = [line("push", called.append, "ab"), line("email", called.append, "c")]
    with caplog.at_level(logging.WARNING):
        caller.call(lines, notes, closed={"push"})
    assert called == ["c"]
    assert notes.ends == {"a": NotTriedError, "b": NotTriedError, "c": None}
    assert "channel-closed channel=push" in caplog.text


def test_what_cannot_be_recorded_is_raised_once_the_other_functions_are_done(
    caller: HostCaller[str],
) -> None:
    """The error comes out in the thread that waits; the items behind it are put back."""
    notes, called = _Notes(unrecorded="a"), list[str]()
    lines = [line("push", called.append, "ab"), line("email", called.append, "cde")]
    with pytest.raises(ConnectionError, match=r"^a$"):
        caller.call(lines, notes)
    assert [item for item in called if item in "cde"] == ["c", "d", "e"]
    assert notes.ends == dict.fromkeys("cde")


def test_stopping_puts_back_what_waits_and_lets_the_call_end(caller: HostCaller[str]) -> None:
    """Nothing is called any more afterwards."""
    notes, called = _Notes(), list[str]()
    with hanging(caller, notes, "abc") as release:
        caller.stop()
        assert notes.offered == [["b", "c"]]
        release()
        assert caller.end(_PATIENCE)
    assert notes.ends == {"a": None}
    caller.call([line("push", called.append, "d")], notes)
    assert (called, notes.offered[1:]) == ([], [["d"]])


def test_items_that_could_not_be_put_back_are_offered_again_when_the_round_ends(
    caller: HostCaller[str],
) -> None:
    """The store may be back by then."""
    notes = _Notes(refusals=1)
    with hanging(caller, notes, "abc"):
        caller.stop()
    assert notes.offered == [["b", "c"], ["b", "c"]]


def test_the_end_abandons_a_call_that_hangs(caller: HostCaller[str]) -> None:
    """Nobody records how it ends: its lease runs out, and it is tried again."""
    notes = _Notes()
    with hanging(caller, notes, "a"):
        caller.stop()
        assert not caller.end(0)
    assert notes.ends == {}


def test_a_call_beyond_its_limit_fails_and_is_named(caller: HostCaller[str]) -> None:
    """The items behind it were not tried; the function of the other items goes on."""
    notes, called, released = _Notes(), list[str](), Event()
    lines = [
        line("push", lambda _: released.wait(_PATIENCE), "ab", limit=0.05),
        line("email", called.append, "cd"),
    ]
    assert caller.call(lines, notes) == {"push"}
    released.set()
    assert called == ["c", "d"]
    assert notes.ends == {"a": TimeoutError, "b": NotTriedError, "c": None, "d": None}
