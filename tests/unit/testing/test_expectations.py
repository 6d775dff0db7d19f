"""What a test can give and expect, as a marketer writes it."""

from pathlib import Path

import pytest
from tests.unit.testing.rule_folders import failures, file_of, run

CREDIT = """
campaign: credit
description: Credit points for every 50 purchases.
when: purchase
who: {performed: {event: purchase, at_least: 2}}
reentry: every_time
exit: Payment Succeeded
whereupon:
  - set: {milestone: 100}
  - track: Credit Granted
    properties: {points: 10}
  - wait: 7d
  - send: push
    title: Thanks
"""
LISTENER = """
campaign: listener
description: Tell people of their credit.
when: Credit Granted
reentry: every_time
whereupon: [{send: email, subject: Credited}]
"""
NEWS = """
broadcast: news
description: News on Mondays.
when: {cron: "0 10 * * MON"}
whereupon: [{track: News Sent}, {send: email, subject: News}]
"""
TWICE = "- {repeat: 2, every: 1m, track: purchase, user: ada}"
ENTERED = """
- {entered: ada, at: +1m}
- {delivery: push, to: ada, at: +7d1m}
"""


def _failures(folder: Path, given: str, expect: str, **more: str) -> list[str]:
    return failures(folder, credit=CREDIT, credit_test=file_of(given, expect, **more))


# --- given ----------------------------------------------------------------------------------------


def test_given_may_repeat_a_message_each_with_its_own_id(tmp_path: Path) -> None:
    """A hundred purchases are a hundred messages, a minute apart."""
    given = "- {at: +1h, repeat: 100, every: 1m, track: purchase, user: ada}"
    expect = """
    - {entered: ada, count: 99}
    - {entered: ada, at: +2h39m, count: 1}
    - {delivery: push, to: ada, count: 99}
    """
    (failure,) = _failures(tmp_path, given, expect)
    assert failure.startswith("expected one entry of ada at +2h39m, but there were none")
    given = "- {at: +1h, repeat: 100, every: 1m, track: purchase, user: ada}"
    expect = """
    - {entered: ada, at: +1h1m}
    - {entered: ada, count: 97}
    - {entered: ada, at: +2h39m}
    - {delivery: push, to: ada, at: +7d2h39m}
    - {delivery: push, to: ada, count: 98}
    """
    assert _failures(tmp_path, given, expect) == []


def test_what_stands_below_repeated_messages_comes_after_them_unless_it_says_when(
    tmp_path: Path,
) -> None:
    """Without `at` an item comes with the last repetition; with it, it may come between two."""
    given = """
    - {repeat: 3, every: 1d, track: purchase, user: ada}
    - {track: Payment Succeeded, user: ada}
    """
    expect = """
    - {entered: ada, count: 2}
    - {exited: ada, by: Payment Succeeded, at: +2d, count: 2}
    """
    assert _failures(tmp_path, given, expect) == []
    between = given.replace("{track: Pay", "{at: +1d12h, track: Pay")
    expect = """
    - {entered: ada, count: 2}
    - {exited: ada, by: Payment Succeeded, at: +1d12h}
    - {delivery: push, to: ada, at: +9d}
    """
    assert _failures(tmp_path, between, expect) == []


@pytest.mark.parametrize(
    ("item", "diagnostic"),
    [
        ("{repeat: 2, id: m-1, track: purchase, user: ada}", "unsupported-key each of repeated"),
        ("{every: 1m, track: purchase, user: ada}", "unsupported-key every says when"),
        ("{repeat: 1, track: purchase, user: ada}", "wrong-value this is at least 2"),
        ("{repeat: 10001, track: purchase, user: ada}", "wrong-value this is at most 10000"),
        ("{repeat: , track: purchase, user: ada}", "wrong-type nothing is written here"),
        ("{repeat: 2, every: -1m, track: purchase, user: ada}", "bad-duration a duration is"),
    ],
)
def test_a_repetition_that_says_nothing_is_an_error(
    tmp_path: Path, item: str, diagnostic: str
) -> None:
    """It is located, with what to write instead."""
    report = run(tmp_path, credit=CREDIT, credit_test=file_of(f"- {item}", ""))
    (found,) = report.diagnostics
    assert f" {diagnostic}" in str(found)
    assert found.location.line == 4


# --- expect ---------------------------------------------------------------------------------------


def test_expect_may_say_what_a_person_has(tmp_path: Path) -> None:
    """`{person: ada, has: {milestone: 100}}` is asked when the test ends."""
    held = f"- {{person: ada, has: {{milestone: 100, gone: null}}}}\n{ENTERED}"
    assert _failures(tmp_path, TWICE, held) == []
    wrong = f"- {{person: ada, has: {{milestone: 99, milestones: 1}}}}\n{ENTERED}"
    assert _failures(tmp_path, TWICE, wrong) == [
        (
            "expected ada to have milestone 99 and milestones 1, but milestone was 100 and there is no "
            "milestones; did you mean 'milestone'?"
        )
    ]
    nobody = f"- {{person: adda, has: {{milestone: 100}}}}\n{ENTERED}"
    assert _failures(tmp_path, TWICE, nobody) == [
        "expected adda to have milestone 100, but nobody is known by that user id; did you mean 'ada'?"
    ]


def test_what_a_person_has_is_said_of_each_user_id(tmp_path: Path) -> None:
    """Of two persons who became one, either id will do."""
    given = """
    - {identify: ada, traits: {plan: pro}}
    - {identify: ada-old, traits: {color: red}}
    - {alias: ada, previous: ada-old}
    """
    expect = """
    - {person: ada, has: {plan: pro, color: red}}
    - {person: ada-old, has: {plan: pro}}
    """
    assert _failures(tmp_path, given, expect) == []


def test_true_is_not_1(tmp_path: Path) -> None:
    """A value of JSON has a type."""
    given = "- {identify: ada, traits: {vip: true}}"
    expect = "- {person: ada, has: {vip: 1}}"
    assert _failures(tmp_path, given, expect) == ["expected ada to have vip 1, but vip was true"]


def test_expect_may_say_what_a_step_tracked(tmp_path: Path) -> None:
    """`{tracked: Credit Granted, user: ada}`, with its time and with properties that it has."""
    tracked = "- {tracked: Credit Granted, user: ada, properties: {points: 10}, at: +1m}"
    assert _failures(tmp_path, TWICE, f"{tracked}\n{ENTERED}") == []
    wrong = "- {tracked: Credit Granted, user: ada, properties: {points: 11}}"
    assert _failures(tmp_path, TWICE, f"{wrong}\n{ENTERED}") == [
        "expected an event Credit Granted of ada with points 11, but points was 10"
    ]
    other = "- {tracked: Credit Taken, user: ada}"
    assert _failures(tmp_path, TWICE, f"{other}\n{ENTERED}") == [
        (
            "expected an event Credit Taken of ada, but there was none: their steps sent "
            "an event Credit Granted at +1m with points 10"
        )
    ]
    none = "- {tracked: Credit Granted, user: ada, count: 0}"
    assert _failures(tmp_path, TWICE, f"{none}\n{ENTERED}") == [
        "expected no events Credit Granted of ada, but there was 1: at +1m"
    ]


def test_what_a_message_of_the_test_says_is_not_tracked_by_a_step(tmp_path: Path) -> None:
    """Only what a step sends counts."""
    given = "- {track: Credit Granted, user: ada}"
    assert _failures(tmp_path, given, "- {tracked: Credit Granted, user: ada, count: 0}") == []


def test_expect_may_say_what_ended_an_entry(tmp_path: Path) -> None:
    """`{exited: ada, by: Payment Succeeded, at: +4d}`."""
    given = f"{TWICE}\n- {{at: +4d, track: Payment Succeeded, user: ada}}"
    entered = "- {entered: ada}"
    assert (
        _failures(tmp_path, given, f"{entered}\n- {{exited: ada, by: Payment Succeeded, at: +4d}}")
        == []
    )
    assert _failures(tmp_path, given, f"{entered}\n- {{exited: ada, by: event}}") == []
    assert _failures(tmp_path, given, f"{entered}\n- {{exited: ada, by: refund, at: +3d}}") == [
        "expected an exit by refund of ada at +3d, but by was Payment Succeeded and at was +4d"
    ]
    assert _failures(tmp_path, given, f"{entered}\n- {{exited: ada, count: 0}}") == [
        "expected no exits of ada, but there was 1: at +4d"
    ]
    assert _failures(tmp_path, TWICE, f"{ENTERED}\n- {{exited: ada}}") == [
        "expected an exit of ada, but there was none: the entry did not end early"
    ]


@pytest.mark.parametrize(
    ("key", "by", "last"),
    [
        ("exit: {plan: free}", "plan is free", "{identify: ada, traits: {plan: free}}"),
        ("exit: {leaves: fans}", "fans", "{identify: ada, traits: {fan: false}}"),
        ("exit: refund", "exit", "{track: nothing, user: ada}"),
        ("exit: refund", '"1"', "{track: nothing, user: ada}"),
        ("stay: true\nwho: {fan: true}", "who", "{identify: ada, traits: {fan: false}}"),
        ("goal: purchased", "goal", "{track: purchased, user: ada}"),
    ],
)
def test_an_exit_is_named_by_whatever_ended_the_entry(
    tmp_path: Path, key: str, by: str, last: str
) -> None:
    """A segment, a condition in words, an exit step or its address, `who`, or the goal."""
    rule = f"""
campaign: leaving
description: One.
when: purchase
reentry: once
{key}
whereupon: [{{wait: 2d}}, exit]
"""
    given = (
        "- {identify: ada, traits: {fan: true}}\n- {track: purchase, user: ada}\n"
        f"- {{at: +1d, {last[1:]}"
    )
    found = failures(
        tmp_path,
        leaving=rule,
        fans="segment: fans\ndescription: Fans.\nwho: {fan: true}\n",
        leaving_test=file_of(given, f"- {{entered: ada}}\n- {{exited: ada, by: {by}}}"),
    )
    assert found == []


def test_a_skip_may_name_its_event_and_a_withheld_send_is_one(tmp_path: Path) -> None:
    """`{skipped: ada, reason: cap}` is said of a send, and `{skipped: ada, reason: who}` of an entry."""
    given = f"- {{identify: ada, traits: {{unsubscribed: true}}}}\n{TWICE}"
    expect = """
    - {skipped: ada, reason: who, event: purchase, at: +0s}
    - {entered: ada}
    - {skipped: ada, reason: unsubscribed, at: +7d1m}
    """
    assert _failures(tmp_path, given, expect) == []
    assert _failures(tmp_path, TWICE, f"- {{skipped: ada, reason: cap}}\n{ENTERED}") == [
        (
            "expected a skip of ada with reason cap, but there was none: they entered by track purchase "
            "at +1m; by track purchase at +0s (who), the rule asks that the person has performed "
            "purchase at least 2 times, but purchase counted once"
        )
    ]


def test_how_many_is_exact(tmp_path: Path) -> None:
    """`count` says how many there are: no more and no fewer."""
    given = "- {repeat: 4, every: 1d, track: purchase, user: ada}"
    sent = "- {delivery: push, to: ada, count: 3}"
    assert _failures(tmp_path, given, f"- {{entered: ada, count: 3}}\n{sent}") == []
    assert _failures(tmp_path, given, f"- {{entered: ada, count: 2}}\n{sent}") == [
        "expected 2 entries of ada, but there were 3: at +1d, at +2d, at +3d"
    ]
    assert _failures(tmp_path, given, f"- {{entered: ada, count: 4}}\n{sent}") == [
        "expected 4 entries of ada, but there were 3: at +1d, at +2d, at +3d"
    ]
    skipped = "- {skipped: ada, reason: who, count: 2}"
    assert _failures(tmp_path, given, f"- {{entered: ada, count: 3}}\n{sent}\n{skipped}") == [
        "expected 2 skips of ada with reason who, but there was 1: at +0s"
    ]


# --- what is run ----------------------------------------------------------------------------------


def test_a_rules_test_runs_that_rule_and_what_it_can_set_off(tmp_path: Path) -> None:
    """A rule that a step of its triggers runs, and its effects need not be expected."""
    expect = f"- {{entered: ada, rule: listener}}\n{ENTERED}"
    files = {"credit": CREDIT, "listener": LISTENER, "news": NEWS}
    assert failures(tmp_path, **files, credit_test=file_of(TWICE, expect)) == []
    assert failures(tmp_path, **files, credit_test=file_of(TWICE, ENTERED)) == []
    wrong = f"- {{delivery: email, to: ada, rule: listener, subject: Hello}}\n{ENTERED}"
    assert failures(tmp_path, **files, credit_test=file_of(TWICE, wrong)) == [
        (
            'expected a delivery by email to ada in listener with subject "Hello", '
            'but subject was "Credited"'
        )
    ]


def test_a_rules_test_does_not_run_the_folders_other_broadcasts(tmp_path: Path) -> None:
    """Only a test that names the broadcast runs it."""
    files, until = {"credit": CREDIT, "news": NEWS}, {"until": "+7d2m"}
    silent = f"{ENTERED}\n- {{tracked: News Sent, user: ada, count: 0}}"
    assert failures(tmp_path, **files, credit_test=file_of(TWICE, silent, **until)) == []
    named = f"{silent}\n- {{delivery: email, to: ada, rule: news, at: +1h}}"
    assert failures(tmp_path, **files, credit_test=file_of(TWICE, named, **until)) == [
        "expected no events News Sent of ada, but there was 1: at +1h"
    ]


def test_a_segment_that_a_step_moves_the_person_into_sets_off_its_rules(tmp_path: Path) -> None:
    """By an attribute that a `set` step sets."""
    files = {
        "credit": CREDIT,
        "milestones": "segment: milestones\ndescription: One.\nwho: {milestone: 100}\n",
        "cheer": (
            "campaign: cheer\ndescription: One.\nwhen: {enters: milestones}\nreentry: once\n"
            "whereupon: [{send: sms, text: Cheers}]\n"
        ),
    }
    expect = f"- {{delivery: sms, to: ada, rule: cheer}}\n{ENTERED}"
    assert failures(tmp_path, **files, credit_test=file_of(TWICE, expect)) == []


def test_a_rule_that_a_test_names_and_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """With the name that comes nearest."""
    expect = "- {entered: ada, rule: listner}"
    report = run(tmp_path, credit=CREDIT, listener=LISTENER, credit_test=file_of(TWICE, expect))
    assert [str(each) for each in report.diagnostics if each.severity == "error"] == [
        (
            f"{tmp_path}/credit.test.yaml:6:30: unknown-rule there is no rule 'listner'; "
            "did you mean 'listener'?"
        )
    ]


def test_one_broken_rule_file_fails_its_own_tests_only(tmp_path: Path) -> None:
    """The others are run, and the report did not pass."""
    report = run(
        tmp_path,
        credit=CREDIT,
        listener=LISTENER.replace("reentry", "reentri"),
        credit_test=file_of(TWICE, ENTERED),
        listener_test=file_of("", ""),
    )
    assert [(r.rule, r.failures) for r in report.results] == [
        ("credit", ()),
        ("listener", (f"not run: {tmp_path}/listener.yaml has an error",)),
    ]
    assert not report.passed


def test_a_broken_segment_fails_the_tests_of_the_rules_that_ask_for_it(tmp_path: Path) -> None:
    """A rule cannot be tested without what it needs."""
    report = run(
        tmp_path,
        credit=CREDIT,
        listener=LISTENER.replace("when: Credit Granted", "when: {enters: fans}"),
        fans="segment: fans\ndescription: One.\nwho: {fan: true}\nwhom: 1\n",
        credit_test=file_of(TWICE, ENTERED),
        listener_test=file_of("", ""),
    )
    assert [(r.rule, r.failures) for r in report.results] == [
        ("credit", ()),
        ("listener", (f"not run: {tmp_path}/fans.yaml has an error",)),
    ]


@pytest.mark.parametrize("text", ["settings: settings\nchanels: [push]\n", "settings: [\n"])
def test_a_broken_settings_file_fails_every_test(tmp_path: Path, text: str) -> None:
    """Every rule goes by the settings, even if they cannot be read at all."""
    report = run(
        tmp_path,
        credit=CREDIT,
        settings=text,
        credit_test=file_of(TWICE, ENTERED),
    )
    ((failure,),) = (result.failures for result in report.results)
    assert failure == "not run: the settings file has an error, and every rule goes by it"
