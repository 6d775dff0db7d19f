"""Ids for what comes without one."""

from copy import copy

from whereupon.pipeline.fresh_ids import FreshIds


def test_no_id_is_given_out_twice() -> None:
    """However many are drawn at once."""
    fresh_id = FreshIds()
    found = [fresh_id() for _ in range(200)]
    assert len(set(found)) == 200
    assert {len(each) for each in found} == {24}


def test_a_child_of_a_fork_gives_out_none_of_its_parents() -> None:
    """The ids that its parent has drawn stay the parent's."""
    parent = FreshIds()
    parent()
    child = copy(parent)  # what a fork does to it
    child.after_fork_in_child()
    assert {parent() for _ in range(100)}.isdisjoint(child() for _ in range(100))
