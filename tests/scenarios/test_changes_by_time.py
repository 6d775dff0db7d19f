"""Segments, exits and waits that time alone changes, each at its own moment."""

import json
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import JsonValue
from tests.rule_files import book_of, broadcast, campaign, segment
from tests.scenarios.commands import whereupon
from tests.worlds import DAY, HOUR, World, after, world

from whereupon.insight import profile
from whereupon.messages.times import format_instant
from whereupon.pipeline.load import CLAIM_CHUNK
from whereupon.pipeline.timer_rounds import ARMING_CHUNK
from whereupon.ports import Store
from whereupon.records import EndReason, Entry, TimeSkip
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage import open_store

ACTIVE = segment("active", performed={"event": "login", "within": "60d"})
LAPSED = segment("lapsed", performed={"event": "login", "within": "60d", "never": True})
WIN_BACK = campaign("win-back", {"enters": "lapsed"})
WELCOME_BACK = campaign("welcome-back", {"leaves": "lapsed"})
SPAN = 60 * DAY


def lapsing(home: Store, *files: Mapping[str, JsonValue]) -> World:
    """A world in which people lapse after sixty days, and somebody who logged in at noon."""
    made = world(LAPSED, WIN_BACK, *map(dict, files), store=home)
    made.track("login", "ada", at=0)
    return made


def opened(made: World) -> list[tuple[str, float]]:
    """Rule and minute of every entry by now, in their order."""
    found = [
        (decision.rule, (decision.timestamp - after(0)) / timedelta(minutes=1))
        for decision in made.decided
        if decision.reason is None
    ]
    return sorted(found, key=lambda each: each[1])


def entries(made: World) -> list[Entry]:
    """Every entry, in the order in which they were opened."""
    with made.home.session() as session:
        return sorted(session.scan(Entry), key=lambda entry: (entry.entered_at, entry.key))


def skips(made: World) -> list[tuple[str, str]]:
    """Rule and reason of what time led to and nobody entered."""
    with made.home.session() as session:
        found = sorted(session.scan(TimeSkip), key=lambda skip: skip.key)
        return [(skip.rule, skip.verdict[2]) for skip in found]


# --- segments ---------------------------------------------------------------------------------------


def test_a_segment_is_entered_also_when_time_alone_does_it(home: Store) -> None:
    """Not performed within sixty days becomes true by time: exactly sixty days after the last login."""
    made = lapsing(home)
    made.run(SPAN - 1)
    assert opened(made) == []
    made.run(SPAN)
    assert opened(made) == [("win-back", SPAN)]
    made.run(3 * SPAN)
    assert opened(made) == [("win-back", SPAN)]


def test_a_segment_is_left_also_when_time_alone_does_it(home: Store) -> None:
    """Performed within sixty days becomes false by time, once for each time that it was true."""
    made = world(ACTIVE, campaign("bye", {"leaves": "active"}), store=home)
    made.track("login", "ada", at=0)
    made.track("login", "ada", at=DAY)
    made.run(3 * SPAN)
    made.track("login", "ada", at=3 * SPAN)
    made.run(5 * SPAN)
    assert opened(made) == [("bye", SPAN + DAY), ("bye", 4 * SPAN)]


def test_polarity_counts(home: Store) -> None:
    """Of one window, entering one segment is leaving its opposite."""
    made = world(
        ACTIVE,
        LAPSED,
        WIN_BACK,
        campaign("bye", {"leaves": "active"}),
        campaign("hello", {"enters": "active"}),
        store=home,
    )
    made.track("login", "ada", at=0)
    made.run(2 * SPAN)
    assert opened(made) == [("hello", 0), ("bye", SPAN), ("win-back", SPAN)]


def test_each_message_that_moves_the_moment_is_heard(home: Store) -> None:
    """A login within the sixty days puts the moment off; a message of another name does not."""
    made = lapsing(home)
    made.track("visit", "ada", at=30 * DAY)
    made.track("login", "ada", at=40 * DAY)
    made.run(SPAN + 30 * DAY)
    assert opened(made) == []
    made.run(SPAN + 40 * DAY)
    assert opened(made) == [("win-back", SPAN + 40 * DAY)]


def test_a_message_at_the_very_moment_comes_first(home: Store) -> None:
    """Who logs in just as the sixty days are over has not lapsed."""
    made = lapsing(home, WELCOME_BACK)
    made.track("login", "ada", at=SPAN)
    made.run(SPAN + DAY)
    assert opened(made) == []
    made.run(2 * SPAN)
    assert opened(made) == [("win-back", 2 * SPAN)]


def test_what_a_message_and_time_change_at_one_moment_is_one_change(home: Store) -> None:
    """A message that completes a segment just as time does opens a rule once."""
    slow = segment("slow", plan="pro", performed={"event": "login", "within": "60d", "never": True})
    made = world(slow, campaign("nudge", {"enters": "slow"}), store=home)
    made.track("login", "ada", at=0)
    made.identify("ada", {"plan": "pro"}, at=SPAN)
    made.run(2 * SPAN)
    assert opened(made) == [("nudge", SPAN)]


def test_a_message_that_arrives_late_changes_what_is_not_over_yet(home: Store) -> None:
    """A login of day 20 that comes on day 50 puts the moment off to day 80."""
    made = lapsing(home)
    made.track("login", "ada", at=20 * DAY, arrives=50 * DAY)
    made.run(79 * DAY)
    assert opened(made) == []
    made.run(80 * DAY)
    assert opened(made) == [("win-back", 80 * DAY)]


def test_a_message_that_arrives_after_the_moment_ends_what_it_contradicts(home: Store) -> None:
    """Who lapsed on day 60, as far as was known, is back when a login of day 59 comes on day 61, until day 119."""
    made = lapsing(home, WELCOME_BACK)
    made.run(SPAN)
    made.track("login", "ada", at=59 * DAY, arrives=61 * DAY)
    made.run(3 * SPAN)
    happened = [("welcome-back", 59 * DAY), ("win-back", SPAN), ("win-back", 119 * DAY)]
    assert opened(made) == happened


def test_a_message_that_is_too_late_to_matter_changes_nothing(home: Store) -> None:
    """A login of sixty days ago is over when it arrives: the segment is asked as of then."""
    made = world(ACTIVE, campaign("hello", {"enters": "active"}), store=home)
    made.identify("ada", {"plan": "pro"}, at=0)
    made.track("login", "ada", at=DAY, arrives=SPAN + DAY)
    made.run(2 * SPAN)
    assert opened(made) == []


def test_what_a_claim_brings_moves_the_moment(home: Store) -> None:
    """An anonymous login counts from when it happened, once it is the person's."""
    made = world(LAPSED, WIN_BACK, store=home)
    made.track("login", "ada", at=0)
    made.track("login", None, anonymous="phone", at=50 * DAY)
    made.identify("ada", {"city": "Oslo"}, anonymous="phone", at=55 * DAY)
    made.run(109 * DAY)
    assert opened(made) == []
    made.run(110 * DAY)
    assert opened(made) == [("win-back", 110 * DAY)]


def test_the_moment_of_two_who_become_one_goes_by_what_both_did(home: Store) -> None:
    """The survivor of a merge lapses sixty days after the last login of either."""
    made = lapsing(home)
    made.track("login", "ben", at=30 * DAY)
    made.alias("ada", "ben", at=40 * DAY)
    made.run(89 * DAY)
    assert opened(made) == []
    made.run(2 * SPAN)
    assert opened(made) == [("win-back", 90 * DAY)]


def test_a_merge_does_not_lead_again_where_one_of_them_was(home: Store) -> None:
    """Who was in the segment as one of the two does not enter it as both."""
    made = world(ACTIVE, campaign("hello", {"enters": "active"}), store=home)
    made.identify("ada", {"plan": "pro"}, at=0)
    made.track("login", "ben", at=1)
    made.alias("ada", "ben", at=2)
    assert opened(made) == [("hello", 1)]


def test_a_merge_leads_where_only_both_together_are(home: Store) -> None:
    """What both did together may be enough for a segment that neither was in."""
    often = segment("often", performed={"event": "login", "within": "60d", "at_least": 2})
    made = world(often, campaign("hello", {"enters": "often"}), store=home)
    made.track("login", "ada", at=0)
    made.track("login", "ben", at=1)
    made.alias("ada", "ben", at=2)
    assert opened(made) == [("hello", 2)]


def test_an_attribute_moves_the_moment_of_a_date(home: Store) -> None:
    """A date beside now changes at its own instant; another value has another one, and no value has none."""
    soon = segment("soon", renews_at={"before": "2026-03-20T00:00:00Z"}, logic={"<": [1, 2]})
    ending = segment("ending", logic={"<": [{"var": "person.ends_at"}, {"var": "timestamp"}]})
    made = world(soon, ending, campaign("over", {"enters": "ending"}), store=home)
    made.identify("ada", {"ends_at": after(2 * DAY).isoformat().replace("+00:00", "Z")}, at=0)
    made.identify("ada", {"ends_at": after(5 * DAY).isoformat().replace("+00:00", "Z")}, at=DAY)
    made.run(4 * DAY)
    assert opened(made) == []
    made.run(6 * DAY)
    assert [rule for rule, _ in opened(made)] == ["over"]


def test_nothing_happens_for_who_is_erased(home: Store) -> None:
    """A person who is deleted has no moment any more."""
    made = lapsing(home)
    made.track("Delete Person", "ada", at=DAY)
    made.run(2 * SPAN)
    assert opened(made) == []


@pytest.mark.parametrize("logins", [0, 1])
def test_a_new_person_is_in_the_segments_that_hold_after_the_first_message(
    home: Store, logins: int
) -> None:
    """Who becomes known by a login has not lapsed; who becomes known by anything else never logged in."""
    made = world(LAPSED, WIN_BACK, WELCOME_BACK, store=home)
    made.track("login" if logins else "visit", "ada", at=0)
    assert opened(made) == ([] if logins else [("win-back", 0)])


# --- after a standstill -----------------------------------------------------------------------------


def test_after_a_standstill_everything_that_is_still_wanted_happens_once_in_order(
    home: Store,
) -> None:
    """Each entry is as of its own moment, and its steps are done as of now."""
    made = lapsing(home)
    made.track("login", "ben", at=DAY)
    made.clock.move_to(after(SPAN + 2 * DAY))
    made.engine.run_due()
    first, second = entries(made)
    assert [entry.timestamp for entry in (first, second)] == [after(SPAN), after(SPAN + DAY)]
    assert {entry.entered_at for entry in (first, second)} == {after(SPAN + 2 * DAY)}
    made.engine.run_due()
    assert len(entries(made)) == 2


def test_what_has_changed_back_during_a_standstill_is_recorded_as_such(home: Store) -> None:
    """Who entered a segment and left it again while the engine stood still does not enter the rule."""
    past: JsonValue = {"performed": {"event": "login", "within": "2d"}}
    recent: JsonValue = {"performed": {"event": "login", "within": "1d", "never": True}}
    hello, bye = (campaign(n, {c: "window"}) for n, c in (("hello", "enters"), ("bye", "leaves")))
    made = world(segment("window", all=[past, recent]), hello, bye, store=home)
    made.track("login", "ada", at=0)
    made.clock.move_to(after(3 * DAY))
    made.engine.run_due()
    assert [entry.rule for entry in entries(made)] == ["bye"]
    assert skips(made) == [("hello", "changed-back")]
    (told,) = made.engine.explain("ada", "hello")
    assert told.reason == "changed-back"
    assert "had changed back" in told.sentence


def test_what_is_older_than_max_age_after_a_standstill_is_recorded_as_such(home: Store) -> None:
    """A rule takes no moment that is older than it takes a message."""
    made = lapsing(home, campaign("hurry", {"enters": "lapsed"}, max_age="1h"))
    made.clock.move_to(after(SPAN + DAY))
    made.engine.run_due()
    assert [entry.rule for entry in entries(made)] == ["win-back"]
    assert skips(made) == [("hurry", "too-old")]


def test_a_rule_that_is_gone_or_switched_off_lets_nobody_in(home: Store) -> None:
    """What came due without the rule is over when it is back; of one that is switched off it is recorded."""
    made = lapsing(home)
    made.change_rules(LAPSED, {**WIN_BACK, "active": False}, WELCOME_BACK)
    made.run(SPAN)
    assert skips(made) == [("win-back", "inactive")]
    made.change_rules(LAPSED, WIN_BACK)
    made.run(2 * SPAN)
    assert opened(made) == []


# --- exits and waits --------------------------------------------------------------------------------

WAITING: list[JsonValue] = [{"wait": "30d"}, {"send": "push", "title": "later"}]


@pytest.mark.parametrize(
    ("leave", "reason"),
    [
        ({"performed": {"event": "visit", "within": "2h", "never": True}}, EndReason.CONDITION),
        ({"leaves": "fresh"}, EndReason.SEGMENT),
    ],
)
def test_an_exit_ends_an_entry_at_the_exact_moment_at_which_time_makes_it_true(
    home: Store, leave: JsonValue, reason: EndReason
) -> None:
    """The entry ends while it waits, not when its next step is due."""
    fresh = segment("fresh", performed={"event": "visit", "within": "2h"})
    made = world(fresh, campaign("cart", "cart", exit=leave, whereupon=WAITING), store=home)
    made.track("visit", "ada", at=0)
    made.track("cart", "ada", at=1)
    made.track("visit", "ada", at=HOUR)
    made.run(3 * HOUR - 1)
    (entry,) = entries(made)
    assert entry.ended is None
    made.run(3 * HOUR)
    (entry,) = entries(made)
    assert entry.ended is not None
    assert (entry.ended.reason, entry.ended.at) == (reason, after(3 * HOUR))


def test_stay_ends_an_entry_at_the_exact_moment_at_which_who_no_longer_holds(home: Store) -> None:
    """`who` is asked again when time changes it."""
    rule = campaign(
        "cart",
        "cart",
        who={"performed": {"event": "visit", "within": "2h"}},
        stay=True,
        whereupon=WAITING,
    )
    made = world(rule, store=home)
    made.track("visit", "ada", at=0)
    made.track("cart", "ada", at=1)
    made.run(DAY)
    (entry,) = entries(made)
    assert entry.ended is not None
    assert (entry.ended.reason, entry.ended.at) == (EndReason.WHO, after(2 * HOUR))


def test_a_wait_for_a_condition_ends_at_the_exact_moment_at_which_time_makes_it_true(
    home: Store,
) -> None:
    """The arm is taken while the entry waits."""
    never: JsonValue = {"performed": {"event": "visit", "within": "2h", "never": True}}
    wait: JsonValue = {
        "wait_for": [{"who": never, "then": [{"send": "push", "title": "gone"}]}],
        "up_to": "30d",
        "else": [{"send": "push", "title": "else"}],
    }
    made = world(campaign("cart", "cart", whereupon=[wait]), store=home)
    made.track("visit", "ada", at=0)
    made.track("cart", "ada", at=1)
    made.run(2 * HOUR - 1)
    assert made.titles() == []
    made.run(2 * HOUR)
    assert made.titles() == ["gone"]
    (delivery,) = made.deliveries()
    assert delivery.due_at == after(2 * HOUR)


def test_at_one_due_instant_exits_come_before_waits_and_both_before_steps(home: Store) -> None:
    """An exit and a step that are due at one instant: the entry ends, and nothing is sent."""
    never: JsonValue = {"performed": {"event": "visit", "within": "2h", "never": True}}
    steps: JsonValue = [{"wait": "2h"}, {"send": "push", "title": "step"}]
    arm: JsonValue = [
        {
            "wait_for": [{"who": never, "then": [{"send": "push", "title": "arm"}]}],
            "up_to": "2h",
            "else": [{"send": "push", "title": "else"}],
        }
    ]
    made = world(
        campaign("exits", "cart", exit=never, whereupon=steps),
        campaign("both", "cart", exit=never, whereupon=arm),
        campaign("waits", "cart", whereupon=arm),
        store=home,
    )
    made.track("visit", "ada", at=0)
    made.track("cart", "ada", at=0)
    made.run(DAY)
    assert made.titles() == ["arm"]


def test_an_entry_goes_by_the_version_that_it_follows(home: Store) -> None:
    """A rule that is changed meanwhile ends who is inside by their own version's exit, at its own moment."""
    leave: JsonValue = {"performed": {"event": "visit", "within": "2h", "never": True}}
    made = world(campaign("cart", "cart", exit=leave, whereupon=WAITING), store=home)
    made.track("visit", "ada", at=0)
    made.track("cart", "ada", at=1)
    made.change_rules(campaign("cart", "cart", whereupon=WAITING))
    made.run(DAY)
    (entry,) = entries(made)
    assert entry.ended is not None
    assert entry.ended.at == after(2 * HOUR)


@pytest.mark.parametrize("how", ["file", "rule", "entry"])
def test_who_stands_still_is_asked_when_they_go_on(home: Store, how: str) -> None:
    """A pause ends nobody; what time has changed meanwhile ends the entry when it goes on."""
    leave: JsonValue = {"performed": {"event": "visit", "within": "2h", "never": True}}
    rule = campaign("cart", "cart", exit=leave, whereupon=WAITING)
    made = world(rule, store=home)
    made.track("visit", "ada", at=0)
    made.track("cart", "ada", at=1)
    (entry,) = entries(made)
    if how == "file":
        made.change_rules({**rule, "active": False})
    else:
        made.engine.entries.pause("cart" if how == "rule" else entry.key, by="olga")
    made.run(3 * HOUR)
    (entry,) = entries(made)
    assert entry.ended is None
    if how == "file":
        made.change_rules(rule)
    else:
        made.engine.entries.resume("cart" if how == "rule" else entry.key, by="olga")
    made.run(3 * HOUR + 1)
    (entry,) = entries(made)
    assert entry.ended is not None
    assert entry.ended.reason == EndReason.CONDITION


# --- told -------------------------------------------------------------------------------------------


def test_explain_and_the_timeline_tell_that_time_did_it(home: Store) -> None:
    """An entry that no message opened says what time changed."""
    made = lapsing(home)
    made.run(SPAN)
    (told,) = made.engine.explain("ada", "win-back")
    assert "when time alone changed whether they are in the segment lapsed" in told.sentence
    assert told.subject == "segment/lapsed"
    newest = made.engine.timeline("ada", limit=1)[0]
    assert (newest.message, newest.subject) == (None, "segment/lapsed")


def test_a_profile_says_when_time_changes_a_segment_next(home: Store) -> None:
    """For each rule that watches a segment which counts on time: when it opens next, in the rule's direction."""
    made = lapsing(home, WELCOME_BACK, ACTIVE, campaign("bye", {"leaves": "active"}))
    with made.home.session() as session:
        found = profile(session, "ada", book_of(*made.files), after(DAY)).moments
    assert [(each.rule, each.at) for each in found] == [
        ("bye", after(SPAN)),
        ("welcome-back", None),
        ("win-back", after(SPAN)),
    ]
    assert "lets them enter the segment lapsed at" in found[2].sentence
    assert found[1].sentence == "time alone does not let them leave the segment lapsed"


# --- rules that are new -----------------------------------------------------------------------------


def test_people_who_are_there_already_are_armed_when_a_rule_is_new(home: Store) -> None:
    """Their moments count from then on; who is in the segment by then does not enter it."""
    made = world(campaign("hello", "hello"), store=home)
    made.track("login", "ada", at=0)
    made.track("login", "ben", at=DAY)
    made.run(SPAN)
    made.change_rules(LAPSED, WIN_BACK)
    made.run(SPAN + DAY)
    assert opened(made) == [("win-back", SPAN + DAY)]


def test_arming_goes_on_where_a_process_that_died_has_left_it(home: Store) -> None:
    """Each step of due work is done by another process; everybody's moment comes, once."""
    made = world(campaign("hello", "hello"), store=home)
    people = ARMING_CHUNK + 100
    made.engine.ingest(
        [
            {"type": "track", "event": "login", "userId": f"user-{n}", "timestamp": after(0).isoformat()}
            for n in range(people)
        ]
    )  # fmt: skip
    made.clock.move_to(after(SPAN - 1))
    for _ in range(4):
        made.change_rules(LAPSED, WIN_BACK)
        working = made.engine.wake(after(SPAN - 1))
        next(working, None)
    made.run(SPAN)
    entered = [decision.person for decision in made.decided if decision.reason is None]
    assert len(entered) == len(set(entered)) == people
    assert {decision.timestamp for decision in made.decided} == {after(SPAN)}


def test_a_segment_that_is_changed_is_armed_anew(home: Store) -> None:
    """The new condition has its own moments."""
    made = lapsing(home)
    made.run(DAY)
    sooner = segment("lapsed", performed={"event": "login", "within": "30d", "never": True})
    made.change_rules(sooner, WIN_BACK)
    made.run(30 * DAY)
    assert opened(made) == [("win-back", 30 * DAY)]


def test_a_segment_that_comes_back_unchanged_is_armed_anew(home: Store) -> None:
    """Who came while no process had it is not missed."""
    made = lapsing(home)
    made.run(DAY)
    made.change_rules(campaign("hello", "hello"))
    made.track("login", "ben", at=2 * DAY)
    made.run(3 * DAY)
    made.change_rules(LAPSED, WIN_BACK)
    made.run(2 * DAY + SPAN)
    assert opened(made) == [("win-back", SPAN), ("win-back", 2 * DAY + SPAN)]


def test_what_a_message_changes_while_a_new_segment_is_armed_changes_once(home: Store) -> None:
    """The engine that took the message has opened the rules; the timer that is made then does not open them again."""
    made = world(campaign("hello", "hello"), store=home)
    made.track("visit", "ada", at=0)
    regular = segment("regular", performed={"event": "login", "within": "30d"})
    made.change_rules(regular, campaign("regulars", {"enters": "regular"}))
    made.clock.move_to(after(1))
    next(made.engine.wake(after(1)))  # the arming has begun, and nobody is armed yet
    made.track("login", "ada", at=2)
    made.run(HOUR)
    assert opened(made) == [("regulars", 2)]


def test_a_late_message_changes_a_segment_that_time_does_not_change(home: Store) -> None:
    """The second order leads into the segment, though it happened before the first that came."""
    twice = segment("twice", performed={"event": "order", "at_least": 2})
    made = world(twice, campaign("again", {"enters": "twice"}), store=home)
    made.track("order", "ada", at=DAY)
    made.track("order", "ada", at=0, arrives=DAY + 1)
    assert [rule for rule, _ in opened(made)] == ["again"]


def test_a_process_leaves_the_moments_alone_of_rules_that_it_lacks(home: Store) -> None:
    """An older process in a rolling deploy, or a script without rules, uses up no moment."""
    made = lapsing(home)
    older = world(campaign("hello", "hello"), store=home)
    older.track("visit", "ada", at=SPAN + 5)
    older.run(SPAN + 10)
    made.run(SPAN + 20)
    (entry,) = entries(made)
    assert (entry.rule, entry.timestamp) == ("win-back", after(SPAN))


def test_a_claim_that_is_carried_out_in_chunks_moves_the_moment(home: Store) -> None:
    """Whatever the chunks are, the last login that the claim brings counts."""
    made = world(LAPSED, WIN_BACK, store=home)
    made.track("visit", "ada", at=0)
    for minute in range(CLAIM_CHUNK + 5):
        made.track("login", None, anonymous="phone", at=10 + minute / 100)
    made.identify("ada", {"city": "Oslo"}, anonymous="phone", at=HOUR)
    made.run(2 * SPAN)
    rule, at = opened(made)[-1]
    assert (rule, round(at - SPAN, 2)) == ("win-back", 10 + (CLAIM_CHUNK + 4) / 100)
    assert len(opened(made)) == 2


def test_the_status_counts_the_moments_that_are_due(tmp_path: Path) -> None:
    """Of each subject, with the first; nothing is said where none is due."""
    store = f"sqlite:///{tmp_path}/shop.db"
    rules = tmp_path / "rules"
    rules.mkdir()
    for file in (LAPSED, WIN_BACK):
        name = file.get("segment") or file["campaign"]
        (rules / f"{name}.json").write_text(json.dumps(file))
    with closing(open_store(store)) as home:
        lapsing(home).track("login", "ben", at=DAY)
    where = "--store", store, "--rules", str(rules)
    line = f"segment/lapsed  2 moments are due, the first since {format_instant(after(SPAN))}"
    assert line in whereupon("status", *where).stdout
    (shown,) = whereupon("status", *where, "--json").of_kind("due-moments")
    assert (shown["subject"], shown["moments"]) == ("segment/lapsed", 2)
    with closing(open_store(store)) as home:
        world(LAPSED, WIN_BACK, store=home).run(2 * SPAN)
    assert "due" not in whereupon("status", *where).stdout


def test_two_processes_whose_clocks_differ_let_a_person_in_once(home: Store) -> None:
    """A message that arrives just before the moment, by a clock that is behind, does not bring it again."""
    made = lapsing(home)
    made.run(SPAN)
    behind = World([LAPSED, WIN_BACK], home, FrozenClock(after(SPAN - 0.01)))
    behind.track("login", "ada", {"again": True}, at=0, arrives=SPAN - 0.01)
    behind.run(SPAN + 1)
    made.run(SPAN + 2)
    assert len(entries(made)) == 1


def test_who_is_moved_to_another_version_goes_by_its_exits(home: Store) -> None:
    """The version that an entry is moved to ends it at its own moment, or at once if that is over."""
    leave: JsonValue = {"performed": {"event": "visit", "within": "2h", "never": True}}
    made = world(campaign("cart", "cart", whereupon=WAITING), store=home)
    for person, at in (("ada", 0), ("ben", 3 * HOUR)):
        made.track("visit", person, at=at)
        made.track("cart", person, at=at + 1)
    made.change_rules(campaign("cart", "cart", exit=leave, whereupon=WAITING))
    made.run(4 * HOUR)
    made.engine.entries.move("cart", by="olga")
    made.run(DAY)
    ends = sorted(entry.ended.at for entry in entries(made) if entry.ended is not None)
    assert ends == [after(4 * HOUR), after(5 * HOUR)]


def test_who_stands_still_in_a_run_of_a_broadcast_is_asked_when_it_goes_on(home: Store) -> None:
    """A run that an operator pauses and resumes ends nobody by time meanwhile."""
    leave: JsonValue = {"performed": {"event": "visit", "within": "2h", "never": True}}
    news = broadcast("news", "api", exit=leave, whereupon=WAITING)
    made = world(news, store=home)
    made.track("visit", "ada", at=0)
    made.engine.trigger("news", key="june")
    made.run(1)
    made.engine.broadcasts.pause("news", by="olga")
    made.run(3 * HOUR)
    (entry,) = entries(made)
    assert entry.ended is None
    made.engine.broadcasts.resume("news", by="olga")
    made.run(4 * HOUR)
    (entry,) = entries(made)
    assert entry.ended is not None
