"""A deletion gives the same result whenever due work is done, and for all divisions into batches."""

from itertools import pairwise

import pytest
from tests.rule_files import campaign
from tests.worlds import World, after, message, world

from whereupon.messages.model import MessageType
from whereupon.ports import Store
from whereupon.records import IdKind

TRACKING = campaign("thanks", "purchase", whereupon=[{"wait": "1m"}, {"track": "thanked"}])


def known(made: World) -> list[str]:
    """Which of the two people are known."""
    with made.home.session() as session:
        return sorted(found.value for found in session.identifiers(["ada"], ["anon-1"]))


def suppressed_until(made: World) -> list[object]:
    """Until when Ada's messages are ignored."""
    digests = made.engine.pipeline.settings.digests(IdKind.USER, "ada")
    with made.home.session() as session:
        return [tombstone.until for tombstone in session.tombstones(digests)]


@pytest.mark.parametrize("woken", [True, False], ids=["woken", "not woken"])
@pytest.mark.parametrize(("bought", "found"), [(0.75, ["ada"]), (0.25, [])])
def test_what_a_step_has_said_makes_no_deletion_reach_further(
    home: Store, woken: bool, bought: float, found: list[str]
) -> None:
    """Ada asks half a minute after noon; what she did later makes a new person, what was earlier does not."""
    made = world(TRACKING, store=home)
    made.track("purchase", "ada", at=0)
    if woken:
        made.run(1)
    made.track("Delete Person", "ada", at=0.5, arrives=1)
    made.track("purchase", "ada", at=bought, arrives=2)
    assert (known(made), suppressed_until(made)) == (found, [after(0.5)])
    assert made.outcomes == ["entered", "entered" if found else "deleted"]


@pytest.mark.parametrize("woken", [True, False], ids=["woken", "not woken"])
def test_what_the_person_has_done_after_it_does(home: Store, woken: bool) -> None:
    """Their later message is erased, so it may not come again, however due work was done."""
    made = world(TRACKING, store=home)
    made.track("purchase", "ada", at=0)
    made.track("purchase", "ada", at=2)
    if woken:
        made.run(5)
    made.track("Delete Person", "ada", at=1, arrives=5)
    assert suppressed_until(made) == [after(2)]


@pytest.mark.parametrize("cuts", [(), (1,), (2,), (1, 2), (1, 2, 3)])
def test_another_message_beside_it_wakes_nobody_else(home: Store, cuts: tuple[int, ...]) -> None:
    """Only due work and the person's own messages wake an entry."""
    made = world(TRACKING, store=home)
    messages = [
        message("m-1", name="purchase", user="ada"),
        message("m-2", name="purchase", anonymous="anon-1", at=1),
        message("m-3", name="Delete Person", user="ada", at=0, arrives=1),
        message("m-4", name="purchase", user="ada", at=0.5, arrives=2),
    ]
    for start, end in pairwise((0, *cuts, len(messages))):
        made.decided += made.engine.take(messages[start:end]).decisions
    assert (known(made), suppressed_until(made)) == (["ada", "anon-1"], [after(0)])
    assert made.outcomes == ["entered", "entered"]


@pytest.mark.parametrize("cuts", [(), (1,), (2,), (1, 2)])
def test_a_receipt_counts_the_same_in_whatever_batches(home: Store, cuts: tuple[int, ...]) -> None:
    """Work that one of two deletions in a batch has woken counts in the other's plan."""
    made = world(TRACKING, store=home)
    messages = [
        message("m-1", name="purchase", user="ada"),
        message("m-2", type_=MessageType.ALIAS, user="ben", target="cy", at=1),
        message("m-3", type_=MessageType.ALIAS, user="ada", target="ben", at=2),
        message("m-4", name="Delete Person", user="ada", at=3),
    ]
    for start, end in pairwise((0, *cuts, len(messages))):
        made.engine.take(messages[start:end])
    counts = [dict(r.plan.counts) for r in reversed(made.engine.requests()) if r.plan is not None]
    assert counts == [
        {"messages": 1, "identifiers": 1, "claims": 1, "persons": 1},
        {"messages": 4, "identifiers": 2, "claims": 1, "entries": 1, "persons": 1},
    ]
