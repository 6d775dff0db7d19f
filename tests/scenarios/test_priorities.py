"""Rules that compete at one moment go by `priority` (higher first), then due time, then id."""

from collections import Counter

import pytest
from pydantic import JsonValue
from tests.rule_files import File, broadcast, campaign, segment
from tests.worlds import DAY, HOUR, World, after, world

from whereupon.ports import Store
from whereupon.records import EntryFilter

QUIET: File = {"settings": "settings", "quiet_hours": {"from": "21:00", "until": "08:00"}}
EVENING, MORNING = 10 * HOUR, 20 * HOUR


def says(name: str, **keys: JsonValue) -> File:
    """A campaign on a sign-up that sends its own name."""
    steps: JsonValue = [{"send": "push", "title": name}]
    return campaign(name, "Signed Up", **({"whereupon": steps} | keys))


def waiting(name: str, wait: str, **keys: JsonValue) -> File:
    """The same, after a wait."""
    return says(name, whereupon=[{"wait": wait}, {"send": "push", "title": name}], **keys)


def titles(made: World, user: str = "ada") -> list[JsonValue]:
    """What one person is sent, in order."""
    return [each.content["title"] for each in made.deliveries() if each.person == user]


# --- what one message opens -----------------------------------------------------------------------


def test_rules_that_one_message_opens_go_by_priority_and_then_by_id(home: Store) -> None:
    """Whatever the order of the files; 0 is the default, and a priority may be less."""
    rules = (says("d"), says("c", priority=-1), says("b", priority=5), says("e", priority=5))
    made = world(*rules, says("a"), store=home)
    made.track("Signed Up", "ada", at=0)
    assert titles(made) == ["b", "e", "a", "d", "c"]


def test_a_rule_by_the_beginning_of_a_name_competes_with_those_by_the_whole_name(
    home: Store,
) -> None:
    """How a rule names the message decides nothing."""
    rules = (says("z"), says("a") | {"when": "Signed *"}, says("b", priority=1) | {"when": "S*"})
    made = world(*rules, store=home)
    made.track("Signed Up", "ada", at=0)
    assert titles(made) == ["b", "a", "z"]


@pytest.mark.parametrize(
    ("priority", "order"), [(1, ["new", "a", "z"]), (0, ["a", "new", "z"]), (-1, ["a", "z", "new"])]
)
def test_a_rule_that_a_change_of_segments_opens_competes_with_those_of_the_message(
    home: Store, priority: int, order: list[str]
) -> None:
    """One message may do both."""
    rules = [
        campaign(name, "Signed Up", whereupon=[{"send": "push", "title": name}])
        for name in ("z", "a")
    ]
    new = campaign(
        "new",
        {"enters": "joined"},
        priority=priority,
        whereupon=[{"send": "push", "title": "new"}],
    )
    joined = segment("joined", performed={"event": "Signed Up"})
    made = world(*rules, new, joined, store=home)
    made.track("Signed Up", "ada", at=0)
    assert titles(made) == order


def test_what_a_rule_of_higher_priority_sets_decides_the_others(home: Store) -> None:
    """Its first steps are done before the next rule is decided."""
    first = says("z", priority=1, whereupon=[{"set": {"plan": "pro"}}])
    made = world(says("a", who={"plan": "pro"}), first, store=home)
    made.track("Signed Up", "ada", at=0)
    assert titles(made) == ["a"]


def test_what_is_skipped_is_recorded_in_any_order(home: Store) -> None:
    """Every rule has its decision, once."""
    rules = [says(f"r-{n}", priority=n % 3, who={"n": n % 2}) for n in range(9)]
    made = world(*rules, store=home)
    made.identify("ada", {"n": 1}, at=0)
    made.track("Signed Up", "ada", at=0)
    told = {n: made.engine.explain("ada", f"r-{n}")[0].reason for n in range(9)}
    assert told == {n: None if n % 2 else "who" for n in range(9)}
    assert titles(made) == ["r-5", "r-1", "r-7", "r-3"]


# --- what is due together -------------------------------------------------------------------------


def test_entries_that_are_due_at_one_moment_go_by_priority_and_then_by_id(home: Store) -> None:
    """The order in which people entered decides nothing."""
    rules = (waiting("c", "2h"), waiting("b", "1h", priority=2), waiting("a", "1h"))
    made = world(*rules, store=home)
    made.track("Signed Up", "ada", at=0)
    other = campaign(
        "zz", "Other", priority=1, whereupon=[{"wait": "1h"}, {"send": "push", "title": "zz"}]
    )
    made.change_rules(*rules, other)
    made.track("Other", "ada", at=HOUR)
    made.run(DAY)
    assert titles(made) == ["b", "a", "zz", "c"]


@pytest.mark.parametrize("first", ["Order", "Cart"])
@pytest.mark.parametrize(("sets", "reason"), [("a", "condition"), ("c", "completed")])
def test_what_one_rule_sets_ends_those_that_are_due_with_it_and_come_behind(
    home: Store, first: str, sets: str, reason: str
) -> None:
    """At one instant the rule's id decides, and not who was let in first: an exit that comes before hears nothing."""
    made = world(*exiting(sets), store=home)
    for event in (first, "Cart" if first == "Order" else "Order"):
        made.track(event, "ada", at=0)
    made.run(DAY)
    assert sorted(ends(home)) == sorted([("b", reason), (sets, "completed")])


def test_a_crowd_hears_what_is_set_at_one_instant_as_one_person_does(home: Store) -> None:
    """More entries than one transaction takes, and those that set come last by the time of entry."""
    made = world(*exiting("a"), store=home)
    people = [f"p-{n}" for n in range(600)]
    for event in ("Cart", "Order"):
        made.engine.ingest([{"type": "track", "userId": user, "event": event} for user in people])
    made.run(DAY)
    assert Counter(ends(home)) == {("a", "completed"): 600, ("b", "condition"): 600}


def ends(home: Store) -> list[tuple[str, str]]:
    """The rule of each entry that is over, and why it is."""
    with home.session() as session:
        entries, _ = session.entries_after(EntryFilter(), 0, 5000, 5000)
    return [(each.rule, str(each.ended.reason)) for each in entries if each.ended]


def exiting(sets: str) -> tuple[File, File]:
    """A rule that somebody leaves by a plan, and one that sets this plan at the moment at which the first goes on."""
    leaves = campaign(
        "b",
        "Cart",
        exit=[{"plan": "pro"}],
        whereupon=[{"wait": "10m"}, {"send": "push", "title": "Cart"}],
    )
    return leaves, campaign(sets, "Order", whereupon=[{"wait": "10m"}, {"set": {"plan": "pro"}}])


def test_what_quiet_hours_release_together_goes_by_priority(home: Store) -> None:
    """At 08:00 the most important rule comes first, though it began to wait last."""
    made = world(QUIET, says("a"), says("b"), store=home)
    made.track("Signed Up", "ada", at=EVENING)
    late = campaign("c", "Late", priority=1, whereupon=[{"send": "push", "title": "c"}])
    made.change_rules(QUIET, says("b"), says("a"), late)
    made.track("Late", "ada", at=EVENING + HOUR)
    made.run(MORNING)
    assert titles(made) == ["c", "a", "b"]
    assert {each.due_at for each in made.deliveries()} == {after(MORNING)}


def test_after_a_standstill_what_is_late_counts_as_due_now(home: Store) -> None:
    """So the priority decides first, and then the time at which each was due."""
    rules = (waiting("b", "1h"), waiting("a", "2h"), waiting("z", "3h", priority=1))
    made = world(*rules, store=home)
    made.track("Signed Up", "ada", at=0)
    made.clock.move_to(after(DAY))
    made.run(DAY)
    assert titles(made) == ["z", "b", "a"]


def test_without_a_standstill_each_goes_at_its_own_time(home: Store) -> None:
    """A priority makes nothing earlier."""
    rules = (waiting("b", "1h"), waiting("a", "2h"), waiting("z", "3h", priority=1))
    made = world(*rules, store=home)
    made.track("Signed Up", "ada", at=0)
    made.run(DAY)
    assert titles(made) == ["b", "a", "z"]


def test_a_message_after_a_standstill_meets_the_same_order(home: Store) -> None:
    """Whether due work or a message of the person wakes the entries."""
    rules = (waiting("b", "1h"), waiting("a", "2h"), waiting("z", "3h", priority=1))
    made = world(*rules, store=home)
    made.track("Signed Up", "ada", at=0)
    made.track("Other", "ada", at=DAY)
    assert titles(made) == ["z", "b", "a"]


def test_a_crowd_is_woken_in_the_same_order_as_one_person(home: Store) -> None:
    """More entries than one transaction takes: nobody's less important one goes first."""
    rules = (says("a"), says("b", priority=1))
    made = world(QUIET, says("a"), store=home)
    people = [f"p-{n}" for n in range(600)]
    for event in ("Signed Up", "Later"):
        made.clock.move_to(after(EVENING))
        made.engine.ingest([{"type": "track", "userId": user, "event": event} for user in people])
        made.change_rules(QUIET, rules[0], rules[1] | {"when": "Later"})
    made.run(MORNING)
    orders = {tuple(titles_of) for titles_of in _by_person(made).values()}
    assert orders == {("b", "a")}


def _by_person(made: World) -> dict[str, list[JsonValue]]:
    found: dict[str, list[JsonValue]] = {}
    for each in reversed(made.engine.deliveries(limit=5000)):
        found.setdefault(each.person, []).append(each.content["title"])
    return found


def test_dates_that_open_rules_at_one_instant_go_by_priority(home: Store) -> None:
    """A cap leaves room for one of them."""
    limit: File = {"settings": "settings", "cap": [{"at_most": 1, "per": "1d"}]}
    rules = [
        campaign(
            name,
            {"date": "person.renews_at", "before": "1d"},
            priority=priority,
            whereupon=[{"send": "push", "title": name}],
        )
        for name, priority in (("a", 0), ("b", 2), ("c", 1))
    ]
    made = world(limit, *rules, store=home)
    made.identify("ada", {"renews_at": after(2 * DAY).isoformat()}, at=0)
    made.run(3 * DAY)
    assert [each.reason for each in made.deliveries()] == [None, "cap", "cap"]
    assert [each.rule for each in made.deliveries()] == ["b", "c", "a"]


def test_runs_of_broadcasts_that_are_due_together_go_by_priority(home: Store) -> None:
    """The whole run of the more important one comes first."""
    nine: JsonValue = {"cron": "0 21 * * *"}
    rules = [
        broadcast(name, nine, priority=n, whereupon=[{"send": "push", "title": name}])
        for n, name in enumerate(("b", "a", "c"))
    ]
    made = world(*rules, store=home)
    for user in ("ada", "ben"):
        made.identify(user, {"x": 1}, at=0)
    made.run(DAY)
    assert [each.content["title"] for each in made.deliveries()] == ["c", "c", "a", "a", "b", "b"]
