"""Rules while people are inside: versions, moves, the brake, rules that a process lacks, and merges."""

from collections.abc import Mapping

import pytest
from pydantic import JsonValue
from tests.rule_files import File, campaign
from tests.worlds import DAY, HOUR, World, world

from whereupon import OperationError
from whereupon.decide.decisions import Reason
from whereupon.operations.entry_moves import MoveGroup, MoveRefusal
from whereupon.ports import Store
from whereupon.records import EndReason, EntryState

INVITED: JsonValue = {"event": "Teammate Invited", "then": [{"send": "push", "title": "Two"}]}


def waits(up_to: str = "3d", **keys: JsonValue) -> JsonValue:
    """A wait for an invitation; then, or when the time is up, a push."""
    late: JsonValue = [{"send": "push", "title": "Late"}]
    return {"wait_for": [INVITED], "up_to": up_to, "else": late, **keys}


def branch(*steps: JsonValue) -> JsonValue:
    """A branch whose arm for teams has these steps."""
    return {"branch": [{"if": {"plan": "team"}, "then": list(steps)}]}


def trial(*steps: JsonValue, **keys: JsonValue) -> File:
    """A rule of these steps."""
    return campaign("trial", "Trial Started", whereupon=list(steps), **keys)


def inside(home: Store, *steps: JsonValue, **keys: JsonValue) -> World:
    """Ada is inside a trial of these steps, since noon."""
    made = world(trial(*steps, **keys), store=home)
    made.identify("ada", {"plan": "team"}, at=0)
    made.track("Trial Started", "ada", at=0, message_id="m-1")
    return made


def groups(
    made: World, steps: Mapping[str, str] | None = None, *, dry_run: bool = True
) -> list[tuple[str, str | None, str | None]]:
    """What a move to the version in use does to each group: its step, its new step, or why it stays."""
    moved = made.engine.entries.move("trial", by="tim", steps=steps, dry_run=dry_run)
    found = sorted(moved.people, key=lambda group: group.step)
    assert all(isinstance(group, MoveGroup) for group in found)
    return [(group.step, group.to_step, group.refusal) for group in found]


def audited(made: World) -> list[object]:
    """The kinds of what the audit log has."""
    return [row.facts["kind"] for row in made.engine.audit.rows()]


# --- versions -----------------------------------------------------------------------------------------


def test_an_entry_keeps_the_version_it_entered_with(home: Store) -> None:
    """The arm that it is in may be gone from the file; it goes on in its own version."""
    made = inside(home, branch(waits()), {"send": "push", "title": "End"})
    made.change_rules(trial({"send": "push", "title": "New"}))
    made.track("Teammate Invited", "ada", at=DAY)
    assert made.titles() == ["Two", "End"]


def test_entries_counts_who_is_inside_by_version_and_step(home: Store) -> None:
    """By the addresses of nested steps, and of rounds."""
    made = inside(home, branch(waits()), {"wait": "1h"}, {"send": "push"})
    anew: JsonValue = {"wait_for": [{"event": "Teammate Invited", "again": True}], "up_to": "3d"}
    made.change_rules(trial(branch(anew)))
    made.identify("bob", {"plan": "team"}, at=HOUR)
    made.track("Trial Started", "bob", at=HOUR)
    made.track("Teammate Invited", "bob", at=2 * HOUR)
    counts = made.engine.entries.counts("trial")
    current = made.engine.pipeline.index.by_id["trial"].digest
    assert sorted((each.address, each.version == current, each.people) for each in counts) == [
        ("0.0.0", False, 1),
        ("0.0.0#1", True, 1),
    ]


# --- moving -------------------------------------------------------------------------------------------


def test_move_dry_run_says_first_what_would_happen_to_each_of_them_then_does_it(
    home: Store,
) -> None:
    """A dry run changes nothing; the move is a stored decision in the audit log."""
    made = inside(home, branch(waits()))
    made.change_rules(trial(branch(waits()), {"send": "push", "title": "New end"}))
    assert groups(made) == [("0.0.0", "0.0.0", None)]
    assert audited(made) == []
    assert groups(made, dry_run=False) == [("0.0.0", "0.0.0", None)]
    assert audited(made) == ["entries-moved"]
    made.track("Teammate Invited", "ada", at=DAY)
    assert made.titles() == ["Two", "New end"]


def test_a_waiting_step_without_a_counterpart_is_refused(home: Store) -> None:
    """Where the new version has another step at the address, or none, or the arm is gone."""
    made = inside(home, branch(waits()))
    others: list[JsonValue] = [branch({"send": "push"}), branch(), waits(), {"wait": "1d"}]
    for other in others:
        made.change_rules(trial(other))
        assert groups(made, dry_run=False) == [("0.0.0", None, MoveRefusal.NO_COUNTERPART)]
    (entry,) = made.engine.entries.list(rule="trial").entries
    assert entry.address == "0.0.0"
    assert audited(made) == []


def test_a_step_that_was_moved_elsewhere_is_found_by_its_name(home: Store) -> None:
    """A name takes the place of the path, so the arm that holds the step does not matter."""
    made = inside(home, branch(waits(name="invite")))
    made.change_rules(trial({"send": "push", "title": "First"}, waits(name="invite")))
    assert groups(made, dry_run=False) == [("invite", "invite", None)]
    made.track("Teammate Invited", "ada", at=DAY)
    assert made.titles() == ["Two"]


def test_a_map_says_the_address_of_the_step_in_the_new_version(home: Store) -> None:
    """A wait is heard there at once, and its time counts from when the person came to it."""
    made = inside(home, branch(waits()))
    made.change_rules(trial({"send": "push", "title": "First"}, waits(name="cart2")))
    assert groups(made, {"0.0.0": "cart2"}, dry_run=False) == [("0.0.0", "cart2", None)]
    (entry,) = made.engine.entries.list(rule="trial").entries
    assert entry.address == "cart2"
    made.track("Teammate Invited", "ada", at=DAY)
    assert made.titles() == ["Two"]


def test_who_is_moved_waits_no_longer_than_the_new_version_says(home: Store) -> None:
    """The bound of a wait is the new version's, from when the person came to the wait."""
    made = inside(home, waits("3d"))
    made.change_rules(trial(waits("2d")))
    groups(made, dry_run=False)
    made.run(2 * DAY - 1)
    assert made.titles() == []
    made.run(2 * DAY)
    assert made.titles() == ["Late"]


def test_who_is_moved_waits_until_the_time_of_a_longer_wait(home: Store) -> None:
    """The same, the other way."""
    made = inside(home, waits("1d"))
    made.change_rules(trial(waits("2d")))
    groups(made, dry_run=False)
    made.run(DAY + HOUR)
    assert made.titles() == []
    made.run(2 * DAY)
    assert made.titles() == ["Late"]


def test_who_waits_in_a_further_round_is_moved_within_it(home: Store) -> None:
    """What earlier rounds did is not what comes next."""

    def anew(title: str) -> JsonValue:
        then: JsonValue = [{"send": "push", "title": title}]
        return {"wait_for": [{"event": "Paid", "then": then, "again": True}], "up_to": "3d"}

    made = inside(home, anew("Paid"))
    made.track("Paid", "ada", at=HOUR)
    made.change_rules(trial(anew("Paid again")))
    assert groups(made, dry_run=False) == [("0#1", "0#1", None)]
    made.track("Paid", "ada", at=2 * HOUR)
    assert made.titles() == ["Paid", "Paid again"]


def test_nobody_is_moved_to_a_step_that_was_done_for_them(home: Store) -> None:
    """In an arm as at the top: nobody gets anything twice."""
    done: JsonValue = {"send": "push", "title": "Hi", "name": "hi"}
    made = inside(home, done, branch(waits(name="w")))
    made.change_rules(trial(waits(name="w"), branch(done)))
    assert groups(made, dry_run=False) == [("w", None, MoveRefusal.REPEATS)]
    made.change_rules(trial(branch(done), waits(name="w")))
    assert groups(made, dry_run=False) == [("w", "w", None)]


def test_a_call_that_is_waited_for_stays_at_its_step(home: Store) -> None:
    """It is known by the step's address, so it cannot be waited for at another one."""
    made = world(trial({"run": "score"}, {"send": "push"}), store=home)
    made.identify("ada", {"plan": "team"}, at=0)
    made.track("Trial Started", "ada", at=0)
    made.change_rules(trial({"send": "push"}, {"run": "score", "name": "s"}))
    assert groups(made, {"0": "s"}) == [("0", None, MoveRefusal.NO_COUNTERPART)]
    made.change_rules(trial({"run": "score"}, {"send": "push", "title": "New"}))
    assert groups(made) == [("0", "0", None)]


# --- the brake ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [waits(), {"wait": "1h"}], ids=["wait_for", "wait"])
def test_while_active_is_false_nobody_enters_and_who_is_inside_stands_still(
    home: Store, step: JsonValue
) -> None:
    """Neither the event that it waits for nor the time lets it go on, until it is true again."""
    steps: list[JsonValue] = [branch(step), {"send": "push", "title": "End"}]
    made = inside(home, *steps)
    made.change_rules(trial(*steps, active=False))
    made.track("Trial Started", "bob", at=HOUR / 2)
    assert made.outcomes[-1] == Reason.INACTIVE
    made.run(9 * DAY)
    assert made.titles() == []
    made.change_rules(trial(*steps))
    made.run(10 * DAY)
    assert made.titles()[-1] == "End"


def test_who_stands_still_is_shown_as_paused(home: Store) -> None:
    """In counts, lists and questions for one entry; a switch and an operator's pause look alike."""
    made = inside(home, waits())
    (entry,) = made.engine.entries.list(rule="trial").entries
    assert entry.state is EntryState.ACTIVE

    def states() -> set[EntryState]:
        entries = made.engine.entries
        assert entries.list(rule="trial", state=EntryState.PAUSED).entries
        assert not entries.list(rule="trial", state=EntryState.ACTIVE).entries
        listed = entries.list(rule="trial").entries
        counted = {each.state for each in entries.counts("trial")}
        return {entries.show(entry.key).state, *(each.state for each in listed), *counted}

    made.change_rules(trial(waits(), active=False))
    assert states() == {EntryState.PAUSED}
    made.change_rules(trial(waits()))
    made.engine.entries.pause("trial", by="tim")
    assert states() == {EntryState.PAUSED}


def test_active_until_only_stops_entering(home: Store) -> None:
    """Who is inside goes on."""
    steps: list[JsonValue] = [waits(), {"send": "push", "title": "End"}]
    made = inside(home, *steps)
    made.change_rules(trial(*steps, active={"until": "2026-03-01T13:00:00Z"}))
    made.track("Trial Started", "bob", at=2 * HOUR)
    assert made.outcomes[-1] == Reason.INACTIVE
    made.track("Teammate Invited", "ada", at=DAY)
    assert made.titles() == ["Two", "End"]


def test_pause_resume_and_end_of_a_rule_are_in_the_audit_log(home: Store) -> None:
    """They need no deploy; what a paused entry waits for lets it go on when it is resumed."""
    made = inside(home, waits())
    made.engine.entries.pause("trial", by="tim")
    made.track("Teammate Invited", "ada", at=DAY)
    assert made.titles() == []
    made.engine.entries.resume("trial", by="kim")
    made.run(DAY + HOUR)
    made.run(4 * DAY)
    assert made.titles() == ["Two"]
    made.track("Trial Started", "ada", at=5 * DAY)
    assert made.engine.entries.end("trial", by="tim") == 1
    assert audited(made) == ["rule-paused", "rule-resumed", "entries-ended"]
    assert made.engine.entries.list(rule="trial").entries == []


def test_only_people_before_a_nested_step_are_ended(home: Store) -> None:
    """``step`` is an address."""
    made = inside(home, branch(waits()))
    assert made.engine.entries.end("trial", by="tim", step="0", dry_run=True) == 0
    assert made.engine.entries.end("trial", by="tim", step="0.0.0") == 1


# --- rules that a process lacks -------------------------------------------------------------------------


def test_an_engine_ends_nobody_s_journey_whose_rule_it_lacks(home: Store) -> None:
    """It leaves the entry alone, counts it in the status, and only `end` ends it."""
    made = inside(home, branch(waits()), {"send": "push", "title": "End"})
    made.change_rules()
    made.track("Teammate Invited", "ada", at=DAY)
    made.run(9 * DAY)
    assert made.titles() == []
    left = made.engine.status().left_alone
    assert [(each.rule, each.entries) for each in left] == [("trial", 1)]
    with pytest.raises(OperationError):
        made.engine.entries.end("trial", by="")
    assert made.engine.entries.end("trial", by="tim") == 1
    (told,) = made.engine.explain("ada", "trial")
    assert told.ended is not None
    assert told.ended.reason == EndReason.OPERATOR


def test_an_engine_that_knows_the_rule_goes_on_with_who_was_left_alone(home: Store) -> None:
    """As after a rolling deploy, or a script without rules."""
    steps: list[JsonValue] = [waits(), {"send": "push", "title": "End"}]
    made = inside(home, *steps)
    made.change_rules()
    made.run(DAY)
    assert made.titles() == []
    made.change_rules(trial(*steps))
    made.run(4 * DAY)
    assert made.titles() == ["Late", "End"]


# --- merges -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reentry", "inside_after"),
    [("once", 1), ("not_while_active", 1), ({"once_per": "30d"}, 1), ("every_time", 2)],
    ids=["once", "not_while_active", "once_per", "every_time"],
)
def test_of_two_who_merge_while_both_are_inside_the_later_entry_ends_merged(
    home: Store, reentry: JsonValue, inside_after: int
) -> None:
    """If re-entry would have refused the second; the earlier one goes on at its nested step."""
    made = inside(home, branch(waits()), reentry=reentry)
    made.identify("bob", {"plan": "team"}, at=HOUR)
    made.track("Trial Started", "bob", at=HOUR)
    made.alias("ada", "bob", at=2 * HOUR)
    entries = made.engine.entries.list(rule="trial").entries
    assert [each.address for each in entries] == ["0.0.0"] * inside_after
    ended = made.engine.entries.list(rule="trial", state=EntryState.EXITED).entries
    assert [(each.ended and each.ended.reason, each.ended and each.ended.at) for each in ended] == [
        (EndReason.MERGED, made.clock.now())
    ] * (2 - inside_after)
    if ended:
        assert entries[0].timestamp < ended[0].timestamp
    made.track("Teammate Invited", "ada", at=DAY)
    assert made.titles() == ["Two"] * inside_after
