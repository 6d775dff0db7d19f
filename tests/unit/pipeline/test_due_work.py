"""Due work of unknown rules: an engine does the work of its own rules, and leaves the rest to others."""

import pytest
from pydantic import JsonValue
from tests.rule_files import File, broadcast, campaign, segment
from tests.worlds import DAY, HOUR, NOON, World, after, world

from whereupon import Engine
from whereupon.pipeline.load import DUE_LIMIT
from whereupon.pipeline.work_scope import LeftAlone, Why
from whereupon.ports import Store
from whereupon.records import Changes, Delivery, Entry, EntryState
from whereupon.rules.model import Rulebook
from whereupon.scheduling.clocks import FrozenClock

PUSH: File = {"send": "push", "title": "Still here?"}
CART = campaign("cart", "added", exit="bought", whereupon=[{"wait": "1h"}, PUSH])
OTHER = campaign("other", "sold", whereupon=[{"wait": "1h"}, PUSH])
DAILY = broadcast("daily", {"cron": "0 13 * * *"})


def states(made: World) -> list[EntryState]:
    """The states of the entries, oldest first."""
    with made.home.session() as session:
        (known,) = session.identifiers(["ada"], [])
        decided = session.decided(known.key, "cart", 9)
    return [entry.state for _, entry in reversed(decided) if isinstance(entry, Entry)]


@pytest.fixture
def made(home: Store) -> World:
    """A world in which Ada has had something in her cart since noon."""
    made = world(CART, OTHER, DAILY, store=home)
    made.track("added", "ada", at=0)
    return made


@pytest.mark.parametrize("files", [(), (OTHER,)], ids=["no rules", "other rules"])
def test_an_engine_that_lacks_a_rule_leaves_its_entries_as_due_as_they_were(
    made: World, files: tuple[File, ...]
) -> None:
    """An old process, or a script without rules, neither ends nor delays an entry."""
    made.change_rules(*files)
    made.run(3 * HOUR)
    assert (made.deliveries(), states(made)) == ([], [EntryState.ACTIVE])
    assert not made.engine.run_due().decisions
    made.change_rules(CART)
    made.engine.run_due()
    assert (made.titles(), states(made)) == (["Still here?"], [EntryState.COMPLETED])


def test_an_engine_that_lacks_a_broadcast_does_not_use_up_its_time(made: World) -> None:
    """It is sent by the next engine that has it."""
    made.change_rules(CART)
    made.run(2 * HOUR)
    made.engine.run_due()
    made.change_rules(CART, DAILY)
    made.engine.run_due()
    assert [d.rule for d in made.deliveries()] == ["cart", "daily"]


def test_what_is_left_alone_is_reported(made: World) -> None:
    """By rule: why, how many, and since when they are due."""
    made.track("added", "bob")
    made.change_rules()
    assert made.engine.status().left_alone == (
        LeftAlone("cart", Why.UNKNOWN_RULE, 2, 0, after(HOUR)),
        LeftAlone("daily", Why.UNKNOWN_RULE, 0, 1, after(HOUR)),
    )
    made.change_rules(CART | {"active": False}, DAILY)
    assert made.engine.status().left_alone == (LeftAlone("cart", Why.PAUSED, 2, 0, after(HOUR)),)
    made.change_rules(CART, DAILY)
    assert made.engine.status().left_alone == ()


def test_an_engine_that_lacks_a_rule_is_not_kept_awake_by_it(made: World) -> None:
    """Work that it leaves alone is always due for others."""
    made.change_rules(OTHER)
    made.clock.move_to(after(2 * HOUR))
    made.engine.run_due()
    with made.home.session() as session:
        assert made.engine.pipeline.next_duty(session) is None
    made.track("sold", "ada")
    with made.home.session() as session:
        assert made.engine.pipeline.next_duty(session) == after(3 * HOUR)


def test_what_ends_an_entry_ends_it_wherever_it_comes_in(made: World) -> None:
    """Also if the rule is unknown: its version is read from the store."""
    made.change_rules(OTHER)
    made.track("bought", "ada", at=10)
    assert states(made) == [EntryState.EXITED]


@pytest.mark.parametrize(
    "leave",
    [{"performed": {"event": "bought", "at_least": 2}}, {"plan": "pro"}],
    ids=["counted", "attribute"],
)
def test_a_condition_that_ends_an_entry_is_asked_wherever_it_comes_true(
    home: Store, leave: File
) -> None:
    """An engine without the rule also loads the history that its condition counts."""
    made = world(CART | {"exit": leave}, store=home)
    made.track("added", "ada", at=0)
    made.track("bought", "ada", at=1)
    made.change_rules()
    made.track("bought", "ada", at=2)
    made.identify("ada", {"plan": "pro"}, at=3)
    assert states(made) == [EntryState.EXITED]


def test_a_message_of_theirs_does_not_wake_what_is_left_alone(made: World) -> None:
    """The message does not end the entry either."""
    made.change_rules(OTHER)
    made.track("sold", "ada", at=2 * HOUR)
    assert (made.deliveries(), states(made)) == ([], [EntryState.ACTIVE])


def test_a_version_that_cannot_be_read_is_left_alone(made: World) -> None:
    """A newer process has written it, with steps that this one does not know."""
    newer = b'{"rule":{"campaign":"cart","whereupon":[{"fly": "to the moon"}]},"segments":{}}'
    with made.home.session() as session:
        (found,) = session.due_entries(after(DAY), 9)
        entry = found.changed(key=10**6, occasion="m-new", digest="new", due_at=after(1))
        changes = Changes(entries={entry.key: entry}, new_entries={entry.key})
        changes.rule_versions["new"] = ("cart", newer)
        session.flush(changes)
    made.run(2 * HOUR)
    assert states(made) == [EntryState.COMPLETED, EntryState.ACTIVE]
    (left,) = made.engine.status().left_alone
    assert (left.rule, left.why, left.entries) == ("cart", "unreadable", 1)


def test_an_older_version_is_run_as_it_was(made: World) -> None:
    """The rulebook has the rule, and the store the older version."""
    made.change_rules(CART | {"whereupon": [{"wait": "1h"}, {"send": "push", "title": "New"}]})
    made.run(2 * HOUR)
    assert made.titles() == ["Still here?"]


def test_much_that_is_left_alone_keeps_nobody_waiting(made: World) -> None:
    """More work than one transaction takes is due earlier, of an unknown rule."""
    with made.home.session() as session:
        (found,) = session.due_entries(after(DAY), 9)
        first = session.allocate(2 * DUE_LIMIT)
        many = {
            first + number: found.changed(
                key=first + number, occasion=f"o-{number}", rule="gone", digest="gone"
            ).changed(due_at=after(-number))
            for number in range(DUE_LIMIT + 1)
        }
        session.flush(Changes(entries=many, new_entries=set(many)))
    made.run(2 * HOUR)
    assert made.titles() == ["Still here?", "Hello"]
    with made.home.session() as session:
        assert session.count_entries(["gone"]) == {"gone": DUE_LIMIT + 1}


# --- switched off -----------------------------------------------------------------------------------


def test_who_is_inside_a_rule_that_is_switched_off_stands_still(made: World) -> None:
    """Nothing is sent until it is switched on again; then every entry goes on from where it was."""
    made.change_rules(CART | {"active": False})
    made.run(3 * HOUR)
    made.track("added", "ada")
    assert (made.deliveries(), states(made)) == ([], [EntryState.ACTIVE])
    assert made.outcomes[-1] == "inactive"
    sentences = [each.sentence for each in made.engine.explain("ada", "cart")]
    assert sentences[-1].endswith("sends push, and stands still while the rule is switched off.")
    made.change_rules(CART)
    made.run(3 * HOUR)
    assert (made.titles(), states(made)) == (["Still here?"], [EntryState.COMPLETED])


def test_a_rule_that_is_over_lets_those_inside_finish(made: World) -> None:
    """`until` only stops new entries."""
    made.change_rules(CART | {"active": {"until": after(30).isoformat()}})
    made.run(3 * HOUR)
    made.track("added", "ada")
    assert (made.titles(), made.outcomes[-1]) == (["Still here?"], "inactive")


def test_what_ends_an_entry_ends_it_while_the_rule_is_switched_off(made: World) -> None:
    """A person who has bought gets no question about the cart when the rule is switched on again."""
    made.change_rules(CART | {"active": False})
    made.track("bought", "ada", at=10)
    assert states(made) == [EntryState.EXITED]


def test_what_was_made_already_goes_out_when_the_rule_is_on_again(home: Store) -> None:
    """Nothing is sent in the meantime, and no attempt is used up."""
    made = world(campaign("hi", "ping"), store=home)
    made.track("ping", "ada")
    sent: list[int] = []

    def push(delivery: Delivery) -> None:
        sent.append(delivery.attempts)

    for on, minutes in ((False, 0), (False, 1), (False, 5), (True, 7)):
        made.change_rules(campaign("hi", "ping", active=on))
        made.engine.channel("push")(push)
        made.clock.move_to(after(minutes))
        assert not sent
        made.engine.run_due()
    assert sent == [0]


def test_a_broadcast_that_is_switched_off_under_way_goes_on_when_it_is_on_again() -> None:
    """A person who has got it does not get it again; the others get it then."""
    files = broadcast("news", "api")
    made = world(files)
    made.engine.ingest([{"type": "identify", "userId": f"u-{n}"} for n in range(1_500)])
    made.engine.trigger("news")
    next(made.engine.wake(NOON))
    made.change_rules(files | {"active": False})
    made.engine.run_due()
    assert len(made.engine.deliveries(limit=9_999)) == 1_000
    made.change_rules(files)
    made.engine.run_due()
    sent = [delivery.person for delivery in made.engine.deliveries(limit=9_999)]
    assert len(sent) == len(set(sent)) == 1_500


def test_a_time_of_a_broadcast_that_is_switched_off_passes(made: World) -> None:
    """Nobody enters: a time in the past is not made up for when it is switched on again."""
    made.change_rules(CART, DAILY | {"active": False})
    made.run(2 * HOUR)
    made.change_rules(CART, DAILY)
    made.run(3 * HOUR)
    assert [d.rule for d in made.deliveries()] == ["cart"]


# --- late -------------------------------------------------------------------------------------------


def series(home: Store) -> World:
    """A campaign with a day between its steps."""
    between: list[JsonValue] = []
    for day in (1, 2, 3):
        between += [{"send": "push", "title": str(day)}, {"wait": "1d"}]
    made = world(campaign("series", "ping", whereupon=between), store=home)
    made.track("ping", "ada", at=0)
    return made


def test_a_wait_counts_from_when_the_step_before_was_really_done(home: Store) -> None:
    """After a standstill, steps a day apart stay a day apart."""
    made = series(home)
    made.clock.move_to(after(10 * DAY))
    for day in (10, 10.9, 11):
        made.clock.move_to(after(day * DAY))
        assert all(result.changes for result in made.engine.wake(after(day * DAY)))
    assert [(d.due_at, d.content["title"]) for d in made.deliveries()] == [
        (after(0), "1"),
        (after(10 * DAY), "2"),
        (after(11 * DAY), "3"),
    ]


def test_so_it_does_where_a_message_of_theirs_comes_first(home: Store) -> None:
    """A message of the person's counts as the time at which the step was done."""
    made = series(home)
    made.track("other", "ada", at=10 * DAY)
    assert [d.due_at for d in made.deliveries()] == [after(0), after(10 * DAY)]


def test_a_step_is_on_time_where_nobody_was_late(home: Store) -> None:
    """As on the clock of a replay, which due work moves."""
    made = series(home)
    made.run(10 * DAY)
    assert [d.due_at for d in made.deliveries()] == [after(0), after(DAY), after(2 * DAY)]


def test_an_engine_without_rules_opens_and_closes(home: Store) -> None:
    """It has no work to do, and reports what it leaves."""
    engine = Engine(home, Rulebook(), clock=FrozenClock(NOON))
    engine.run_due()
    assert engine.status().left_alone == ()


def test_a_segment_left_ends_an_entry_wherever_it_is_left(home: Store) -> None:
    """Also if the rulebook has no such segment: it was stored with the rule."""
    pros = segment("pros", plan="pro")
    made = world(pros, CART | {"exit": {"leaves": "pros"}}, store=home)
    made.identify("ada", {"plan": "pro"}, at=0)
    made.track("added", "ada", at=1)
    made.change_rules()
    made.identify("ada", {"plan": "free"}, at=2)
    assert states(made) == [EntryState.EXITED]
