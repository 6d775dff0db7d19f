"""What coverage counts of a rule, and how it says what no test has seen."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.testing.rule_folders import file_of, run

from whereupon.rules.loading import read_folder
from whereupon.testing.case_reader import find_test_files, read_test_file
from whereupon.testing.coverage import Coverage
from whereupon.testing.simulation import simulate

ROOT = Path(__file__).parents[3]

OFFER = """
campaign: offer
description: Offer something after an order.
when: purchase
where: {price: {gte: 10}}
who: {performed: {event: Signed In, within: 7d}}
reentry: {once_per: 1d}
max_age: 2h
exit: [refund, {plan: free}]
whereupon: [{wait: 1d}, {send: push, title: Thanks}]
"""
IN = "{track: Signed In, user: ada}"
BUY = "{track: purchase, user: ada, properties: {price: 10}}"


def _uncovered(folder: Path, rule: str, *givens: str, expect: str = "") -> set[str]:
    """What tests that give these items have not seen; whether they pass does not matter."""
    tests = [file_of(given, expect).split("\n", 2)[2] for given in givens]
    named = (f"  - name: test {n}\n{text}" for n, text in enumerate(tests))
    report = run(folder, offer=rule, offer_test="tests:\n" + "".join(named))
    assert [str(each) for each in report.diagnostics if each.severity == "error"] == []
    return {str(each).removeprefix(f"{folder}/offer.yaml:") for each in report.uncovered}


def test_coverage_says_what_no_test_has_seen_with_the_files_line(tmp_path: Path) -> None:
    """By rule; each condition, exit, window, bound and re-entry."""
    assert _uncovered(tmp_path, OFFER, "") == {
        "1: offer: no test lets a person in",
        "4: offer: no test has seen this true: where: price is at least 10",
        "4: offer: no test has seen this false: where: price is at least 10",
        "4: offer: no test has a value below this bound: where: price beside 10",
        "4: offer: no test has a value just at this bound: where: price beside 10",
        "4: offer: no test has a value above this bound: where: price beside 10",
        *(
            f"5: offer: no test has seen this {answer}: who: has performed Signed In "
            "at least once within 7d"
            for answer in ("true", "false")
        ),
        *(
            f"5: offer: no test is {where} this window: who: Signed In performed within 7d"
            for where in ("inside", "outside of", "just at the edge of")
        ),
        "6: offer: no test lets a person in again: reentry",
        "6: offer: no test refuses to let a person in again: reentry",
        "7: offer: no test is inside this window: max_age: 2h",
        "7: offer: no test is outside of this window: max_age: 2h",
        "7: offer: no test is just at the edge of this window: max_age: 2h",
        "8: offer: no test has an entry end by this: exit: refund",
        "8: offer: no test has seen this true: exit: plan is free",
        "8: offer: no test has seen this false: exit: plan is free",
        "8: offer: no test has an entry end by this: exit: plan is free",
        "9: offer: no test comes to this step: step 0, waits 1d more",
        "9: offer: no test comes to this step: step 1, sends push",
    }


def test_coverage_counts_boundaries(tmp_path: Path) -> None:
    """A numeric comparison is seen at, below and above its bound; a text that reads as a number counts."""
    one = f"- {IN}\n- {BUY}"
    below = one.replace("price: 10", 'price: "9.99"')
    above = one.replace("price: 10", "price: 11")
    bound = "4: offer: no test has a value {} this bound: where: price beside 10"
    assert bound.format("just at") not in _uncovered(tmp_path, OFFER, one)
    assert {bound.format("below"), bound.format("above")} <= _uncovered(tmp_path, OFFER, one)
    left = _uncovered(tmp_path, OFFER, one, below, above)
    assert [each for each in left if "bound" in each] == []


def test_coverage_counts_windows_and_their_edges(tmp_path: Path) -> None:
    """An event just as long ago as `within` is out of it, and at its edge; `max_age` lets its edge in."""
    window = "5: offer: no test is {} this window: who: Signed In performed within 7d"
    edge = f"- {IN}\n- {{at: +7d, {BUY[1:]}"
    outside = f"- {IN}\n- {{at: +8d, {BUY[1:]}"
    assert window.format("just at the edge of") not in _uncovered(tmp_path, OFFER, edge)
    assert window.format("outside of") in _uncovered(tmp_path, OFFER, edge)
    assert window.format("outside of") not in _uncovered(tmp_path, OFFER, outside)
    late = [
        f"- {{happened: -1d, {IN[1:]}\n- {{happened: -{age}, {BUY[1:]}"
        for age in ("1h", "2h", "3h")
    ]
    left = _uncovered(tmp_path, OFFER, *late)
    assert [each for each in left if "max_age" in each] == []
    assert window.format("inside") not in left


def test_coverage_counts_the_window_of_a_date(tmp_path: Path) -> None:
    """`within` on an attribute, inside, outside and just at its edge."""
    rule = OFFER.replace("{performed: {event: Signed In, within: 7d}}", "{born: {within: 1d}}")
    days = [
        f"- {{identify: ada, traits: {{born: '2026-01-0{day}T09:00:00Z'}}}}\n- {BUY}"
        for day in (5, 6, 8)
    ]
    part = "who: born within 1d"
    left = _uncovered(tmp_path, rule, days[0])
    assert {each.partition(": no test is ")[2] for each in left if part in each} == {
        f"outside of this window: {part}",
        f"just at the edge of this window: {part}",
    }
    assert [each for each in _uncovered(tmp_path, rule, *days) if f"window: {part}" in each] == []


@pytest.mark.parametrize(
    ("operator", "days"),
    [("in_next", (6, 7, 4)), ("in_last", (4, 3, 6)), ("not_in_last", (4, 3, 6))],
)
def test_coverage_counts_the_window_of_a_date_on_one_side_of_now(
    operator: str, days: tuple[int, ...], tmp_path: Path
) -> None:
    """The test is on 5 January, for 2 days; a date on the other side is outside."""
    rule = OFFER.replace(
        "{performed: {event: Signed In, within: 7d}}", f"{{born: {{{operator}: 2d}}}}"
    )
    tests = [
        f"- {{identify: ada, traits: {{born: '2026-01-0{day}T09:00:00Z'}}}}\n- {BUY}"
        for day in days
    ]
    part = f"who: born {operator} 2d"
    left = _uncovered(tmp_path, rule, tests[0])
    assert {each.partition(": no test is ")[2] for each in left if part in each} == {
        f"outside of this window: {part}",
        f"just at the edge of this window: {part}",
    }
    assert [each for each in _uncovered(tmp_path, rule, *tests) if f"window: {part}" in each] == []


def test_coverage_counts_how_often_something_was_performed(tmp_path: Path) -> None:
    """Of `at_least: 3` two and three; whether there was one at all is no bound."""
    rule = OFFER.replace("within: 7d}", "at_least: 3}")
    seen = "- {{repeat: {}, {}\n- {}".format
    part = "how often Signed In was performed, beside 3"
    below = _uncovered(tmp_path, rule, seen(2, IN[1:], BUY))
    assert {each.partition("test ")[2] for each in below if part in each} == {
        f"has a value just at this bound: who: {part}"
    }
    both = _uncovered(tmp_path, rule, seen(2, IN[1:], BUY), seen(3, IN[1:], BUY))
    assert [each for each in both if part in each] == []


def test_coverage_counts_reentry(tmp_path: Path) -> None:
    """Once let in again, and once refused; what cannot happen need not be seen."""
    twice = f"- {IN}\n- {BUY}\n- {{at: +12h, {BUY[1:]}"
    again = f"- {IN}\n- {BUY}\n- {{at: +2d, {BUY[1:]}"
    assert [each for each in _uncovered(tmp_path, OFFER, twice) if "reentry" in each] == [
        "6: offer: no test lets a person in again: reentry"
    ]
    assert [each for each in _uncovered(tmp_path, OFFER, twice, again) if "reentry" in each] == []
    once = OFFER.replace("{once_per: 1d}", "once")
    every = OFFER.replace("{once_per: 1d}", "every_time")
    assert [each for each in _uncovered(tmp_path, once, "") if "reentry" in each] == [
        "6: offer: no test refuses to let a person in again: reentry"
    ]
    assert [each for each in _uncovered(tmp_path, every, "") if "reentry" in each] == [
        "6: offer: no test lets a person in again: reentry"
    ]


def test_coverage_counts_each_part_of_the_exit(tmp_path: Path) -> None:
    """That one part ended an entry says nothing of the other."""
    refund = f"- {IN}\n- {BUY}\n- {{at: +1h, track: refund, user: ada}}"
    left = _uncovered(tmp_path, OFFER, refund)
    assert [each for each in left if "end by" in each] == [
        "8: offer: no test has an entry end by this: exit: plan is free"
    ]


def test_coverage_counts_that_a_person_does_not_stay(tmp_path: Path) -> None:
    """`stay: true` is a part of the exit, in its own line."""
    rule = OFFER.replace("reentry:", "stay: true\nreentry:").replace(
        "{performed: {event: Signed In, within: 7d}}", "{plan: pro}"
    )
    gone = "6: offer: no test has an entry end by this: stay"
    pro = f"- {{identify: ada, traits: {{plan: pro}}}}\n- {BUY}"
    assert gone in _uncovered(tmp_path, rule, pro)
    left = f"{pro}\n- {{at: +1h, identify: ada, traits: {{plan: team}}}}"
    assert gone not in _uncovered(tmp_path, rule, left)


def test_coverage_of_a_test_does_not_change_its_outcome(tmp_path: Path) -> None:
    """Looking beyond a window does not widen it."""
    given = f"- {IN}\n- {{at: +7d, {BUY[1:]}"
    report = run(tmp_path, offer=OFFER, offer_test=file_of(given, "- {skipped: ada, reason: who}"))
    assert [result.failures for result in report.results] == [()]


FILES = find_test_files(ROOT / "rules")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.partition(".")[0])
def test_a_rule_that_notes_what_tests_see_does_what_it_does_otherwise(path: Path) -> None:
    """The same decisions, deliveries, ends and entries, message by message."""
    read = read_folder(ROOT / "rules")
    file = read_test_file(path, read.plan)
    rule = read.book.rule(file.subject)
    if rule is None:  # a guard's, of which there is no coverage
        return
    noted = Coverage(rule, read.files[rule.id]).rule
    rules = tuple(noted if each.id == rule.id else each for each in read.book.rules)
    for test in file.tests:
        plain = simulate(test, read.book)
        watched = simulate(test, replace(read.book, rules=rules))
        assert watched.records == plain.records
        assert watched.entries == plain.entries


DATED = """
campaign: offer
description: A week before a renewal.
when: {date: person.renews_at, before: 7d}
reentry: once
max_age: 2h
whereupon: [exit]
"""
LAPSED = """
segment: lapsed
description: Nobody has signed in.
who: {performed: {event: Signed In, never: true, within: 7d}}
"""
SEGMENTED = """
campaign: offer
description: Of a segment.
when: {enters: lapsed}
reentry: once
whereupon: [exit]
"""
SILENT = """
campaign: offer
description: After a silence.
when: {quiet: Signed In, for: 7d}
reentry: once
whereupon: [exit]
"""


def test_coverage_counts_that_a_date_comes_and_moves(tmp_path: Path) -> None:
    """Of a yearly date, that it comes again; nothing is late in a test, so `max_age` is not counted."""
    came = "3: offer: no test waits until this moment comes: when: 7d before person.renews_at"
    moved = "3: offer: no test moves this date: when: 7d before person.renews_at"
    told, later = (
        f"- {{identify: ada, traits: {{renews_at: '2026-0{month}-01'}}}}" for month in (3, 6)
    )
    refused = "4: offer: no test refuses to let a person in again: reentry"
    nobody = "1: offer: no test lets a person in"
    step = "6: offer: no test comes to this step: step 0, ends by its exit step"
    assert _uncovered(tmp_path, DATED, "") == {nobody, came, moved, refused, step}
    always = "1: offer: every test lets a person in"
    assert _uncovered(tmp_path, DATED, told) == {always, moved, refused}
    assert _uncovered(tmp_path, DATED, f"{told}\n- {{at: +70d, {later[3:]}") == {always}
    yearly = DATED.replace("before: 7d", "every: year")
    again = "no test waits until this moment comes again: when: person.renews_at, every year"
    assert f"3: offer: {again}" in _uncovered(tmp_path, yearly, told)


def test_coverage_counts_that_time_leads_into_a_segment(tmp_path: Path) -> None:
    """A segment that only a message leads out of has no moment that a test could wait for."""
    (tmp_path / "lapsed.yaml").write_text(LAPSED)
    came = "3: offer: no test waits until this moment comes: when: enters lapsed by time"
    assert came in _uncovered(tmp_path, SEGMENTED, f"- {BUY}")
    assert came not in _uncovered(tmp_path, SEGMENTED, f"- {IN}")
    leaving = SEGMENTED.replace("enters", "leaves")
    assert not [each for each in _uncovered(tmp_path, leaving, "") if "moment" in each]


def test_coverage_counts_that_a_silence_lasts_and_is_broken(tmp_path: Path) -> None:
    """A message that comes after it has lasted for long enough breaks nothing."""
    came, broken = (
        f"3: offer: no test {what}: when: no Signed In for 7d"
        for what in (
            "waits until this moment comes",
            "breaks this silence before it has lasted for that long",
        )
    )
    assert {came, broken} <= _uncovered(tmp_path, SILENT, "")
    late = f"- {IN}\n- {{at: +7d, {IN[1:]}"
    assert _uncovered(tmp_path, SILENT, late) & {came, broken} == {broken}
    soon = f"- {IN}\n- {{at: +6d, {IN[1:]}"
    assert not _uncovered(tmp_path, SILENT, soon) & {came, broken}


SETTINGS = """
settings: settings
quiet_hours: {from: "21:00", until: "08:00"}
cap:
  - {at_most: 1, per: 7d, channels: [push], otherwise: {wait_up_to: 1d}}
  - {at_most: 9, per: 7d, channels: [email]}
"""
LOUD = """
campaign: offer
description: Offer something after an order.
when: purchase
reentry: every_time
priority: 3
cap: exempt
quiet_hours: off
whereupon: [{send: push, title: Thanks}]
"""
PLAIN = LOUD.replace("priority: 3\ncap: exempt\nquiet_hours: off\n", "")
RIVAL = LOUD.replace("offer", "rival").replace("push, title: Thanks", "email, subject: Thanks")


DAY, NIGHT = "- {track: purchase, user: ada}", "- {at: +14h, track: purchase, user: ada}"


def _left(folder: Path, *given: str, expect: str = "", **files: str) -> set[str]:
    """The parts of which one test of `offer` has not seen everything."""
    test = file_of("\n".join(given), expect)
    report = run(folder, settings=SETTINGS, offer_test=test, **files)
    assert [str(each) for each in report.diagnostics if each.severity == "error"] == []
    return {each.part for each in report.uncovered}


def test_coverage_counts_what_the_settings_hold_back(tmp_path: Path) -> None:
    """Each cap and the quiet hours once a folder, whichever rule's test sees it."""
    cap, other, quiet = (
        "cap: at most 1 per 7d on push",
        "cap: at most 9 per 7d on email",
        "quiet_hours",
    )
    all_three = {cap, other, quiet}
    assert _left(tmp_path, DAY, offer=PLAIN) & all_three == all_three
    assert _left(tmp_path, DAY, DAY, offer=PLAIN) & all_three == {other, quiet}
    assert _left(tmp_path, NIGHT, offer=PLAIN) & all_three == {cap, other}


def test_coverage_counts_what_goes_out_in_spite_of_caps_and_quiet_hours(tmp_path: Path) -> None:
    """Once a second one goes out, and one at night."""
    own = {"cap: exempt", "quiet_hours: off"}
    assert _left(tmp_path, DAY, offer=LOUD) & own == own
    assert _left(tmp_path, DAY, DAY, offer=LOUD) & own == {"quiet_hours: off"}
    assert _left(tmp_path, NIGHT, offer=LOUD) & own == {"cap: exempt"}


def test_coverage_counts_that_a_rule_competes(tmp_path: Path) -> None:
    """With a rule that its test names."""
    named = "- {delivery: email, to: ada, rule: rival}"
    files = {"offer": LOUD, "rival": RIVAL}
    assert "priority: 3" in _left(tmp_path, DAY, **files)
    assert "priority: 3" not in _left(tmp_path, DAY, expect=named, **files)


DIGEST = """
broadcast: offer
description: A digest on Mondays.
when: {cron: "0 9 * * MON", timezone: person}
whereupon: [{send: email, subject: News}]
"""


def test_coverage_counts_that_a_time_comes_on_different_clocks(tmp_path: Path) -> None:
    """One person alone sees it come; two of one zone see no more."""
    part = "when: on each person's clock"
    people = [
        f"- {{identify: {name}, traits: {{timezone: {zone}}}}}"
        for name, zone in (("ada", "Europe/Paris"), ("ben", "Europe/Paris"), ("cy", "Asia/Tokyo"))
    ]

    def missing(*given: str, until: str = "+9d") -> set[str]:
        test = file_of("\n".join(given), "", until=until)
        report = run(tmp_path, offer=DIGEST, offer_test=test)
        return {each.missing.value for each in report.uncovered if each.part == part}

    assert missing(people[0], until="+1h") == {"came", "came-apart"}
    assert missing(*people[:2]) == {"came-apart"}
    assert missing(*people[1:]) == set()
