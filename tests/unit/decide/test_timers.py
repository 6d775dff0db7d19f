"""The timers of one batch: which ring first, and what is written of them."""

from datetime import datetime, timedelta

from whereupon.decide.timers import Timers
from whereupon.messages.times import EPOCH
from whereupon.records import Changes, Timer

ADA, BEN = 1, 2


def at(day: int) -> datetime:
    """That many days after the epoch."""
    return EPOCH + timedelta(days=day)


def _timers(*loaded: Timer, opens: bool = True) -> tuple[Timers, Changes]:
    changes = Changes()
    return Timers(loaded, changes, opens=opens), changes


def test_arming_makes_a_timer_earlier_and_never_later() -> None:
    """A timer that was loaded and is earlier stays, and nothing is written of it."""
    timers, changes = _timers(Timer("segment/a", ADA, at(5)))
    timers.arm(ADA, "segment/a", at(6))
    assert changes.armed == {}
    timers.arm(ADA, "segment/a", at(4))
    timers.arm(ADA, "segment/b", at(9))
    assert changes.armed == {(ADA, "segment/a"): at(4), (ADA, "segment/b"): at(9)}
    first = timers.first()
    assert first is not None
    assert (first.at, first.subject) == (at(4), "segment/a")


def test_a_timer_that_rang_is_written_exactly_whatever_was_armed() -> None:
    """Its next time, or that it is gone; armed again after that, its time is exact, too."""
    timers, changes = _timers()
    timers.arm(ADA, "when/a", at(1))
    timers.put(ADA, "when/a", at(3))
    assert (changes.armed, changes.timers) == ({}, {(ADA, "when/a"): at(3)})
    timers.put(ADA, "when/a", None)
    assert changes.timers == {(ADA, "when/a"): None}
    assert timers.first() is None
    timers.arm(ADA, "when/a", at(7))
    assert (changes.armed, changes.timers) == ({}, {(ADA, "when/a"): at(7)})


def test_at_one_instant_those_inside_come_before_all_others() -> None:
    """Then by person and subject; an earlier instant comes first in any case."""
    timers, _ = _timers(
        Timer("when/a", ADA, at(2)), Timer("inside/z", BEN, at(2)), Timer("segment/a", BEN, at(1))
    )
    order = []
    while (due := timers.first()) is not None:
        order.append(due.subject)
        timers.put(due.person_key, due.subject, None)
    assert order == ["segment/a", "inside/z", "when/a"]
    timers.arm(ADA, "when/a", at(2))
    assert timers.first_of([BEN]) is None
    assert timers.first_of([ADA, BEN]) is not None


def test_a_merged_persons_timers_are_the_survivors() -> None:
    """Each as it is due first; what was armed for the loser alone is armed for the survivor."""
    timers, changes = _timers(Timer("segment/a", ADA, at(5)), Timer("segment/a", BEN, at(3)))
    timers.arm(BEN, "segment/b", at(8))
    timers.put(BEN, "segment/c", None)
    timers.move(BEN, ADA)
    assert changes.timers == {}
    assert changes.armed == {(ADA, "segment/a"): at(3), (ADA, "segment/b"): at(8)}
    assert timers.first_of([BEN]) is None


def test_an_erased_persons_timers_are_forgotten() -> None:
    """Nothing of them rings, is computed anew, or is written."""
    timers, changes = _timers(Timer("segment/a", ADA, at(5)))
    timers.arm(ADA, "segment/b", at(1))
    timers.touch(ADA, ["segment/c"])
    timers.drop(ADA)
    assert timers.first() is None
    assert [*timers.touched()] == []
    assert changes.armed == {}


def test_behind_the_end_of_a_stream_only_those_inside_ring() -> None:
    """Time lets nobody in there, or a yearly date would go on for ever."""
    timers, _ = _timers(Timer("when/a", ADA, at(1)), Timer("inside/a", ADA, at(2)), opens=False)
    first = timers.first()
    assert first is not None
    assert first.subject == "inside/a"
    assert timers.first_of([ADA]) == first


def test_what_was_touched_is_computed_anew_before_a_later_instant() -> None:
    """As of when it was touched, once; at the same instant nothing needs to be computed yet."""
    timers, _ = _timers()
    computed: list[tuple[int, str, datetime]] = []
    timers.bind(lambda: computed.extend(timers.touched()), lambda _: None)
    timers.pass_to(at(1))
    timers.touch(ADA, ["when/b", "when/a"])
    timers.pass_to(at(1))
    assert computed == []
    timers.pass_to(at(2))
    assert computed == [(ADA, "when/a", at(1)), (ADA, "when/b", at(1))]
    timers.touch(BEN, ["when/a"])
    timers.close()
    assert computed[2:] == [(BEN, "when/a", at(2))]
