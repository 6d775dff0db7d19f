"""Tests of rules with arms and waits: what a test can expect of them, force, and cover."""

from pathlib import Path

import pytest
from tests.unit.testing.rule_folders import failures, file_of, run

TRIAL = """
campaign: trial
description: One.
when: Trial Started
reentry: once
exit: Cancelled
whereupon:
  - send: push
    if: {newsletter: true}
    title: Hello
  - branch:
      - if: {plan: team}
        then: [{send: email, name: team-mail, subject: Team, body: Hi}]
      - else: []
  - name: invite
    wait_for:
      - {event: Teammate Invited, where: {count: {gte: 2}}, then: [exit]}
      - {who: {plan: pro}, then: []}
    up_to: 3d
    else: [{send: in_app, title: Invite a colleague}]
  - split:
      name: subject-june
      arms:
        a: {share: 50, then: [{send: sms, text: A}]}
        b: {share: 50, then: [{send: sms, text: B}]}
"""
START = "- {track: Trial Started, user: ada}"
ENTERED = "- {entered: ada}"


def _failures(folder: Path, given: str, expect: str, **more: str) -> list[str]:
    return failures(folder, trial=TRIAL, trial_test=file_of(given, expect, **more))


def _invited(count: int = 2, at: str = "+1d") -> str:
    return f"- {{at: {at}, track: Teammate Invited, user: ada, properties: {{count: {count}}}}}"


@pytest.mark.parametrize("label", ["a", "b"])
def test_expect_may_say_which_arm_a_person_takes(tmp_path: Path, label: str) -> None:
    """`{arm: a, of: subject-june, person: ada}`; `arms` at the test's top says which."""
    expect = f"""
    {ENTERED}
    - {{arm: {label}, of: subject-june, person: ada, at: +3d}}
    - {{arm: else, of: invite, person: ada}}
    - {{arm: else, of: "1", person: ada, at: +0s}}
    - {{delivery: in_app, to: ada, at: +3d}}
    - {{delivery: sms, to: ada, text: {label.upper()}}}
    """
    arms = f"{{subject-june: {label}}}"
    assert _failures(tmp_path, START, expect, arms=arms) == []
    other = {"a": "b", "b": "a"}[label]
    assert _failures(tmp_path, START, expect, arms=f"{{subject-june: {other}}}")[0] == (
        f"expected an arm {label} of subject-june by ada at +3d, but arm was {other}"
    )


def test_an_arm_of_a_wait_goes_by_its_number_or_its_event(tmp_path: Path) -> None:
    """Of a branch by its number, which YAML reads as one."""
    given = f"- {{identify: ada, traits: {{plan: team, newsletter: true}}}}\n{START}\n{_invited()}"
    expect = f"""
    {ENTERED}
    - {{arm: 0, of: 1, person: ada}}
    - {{arm: 0, of: invite, person: ada, at: +1d}}
    - {{exited: ada, by: exit, at: +1d}}
    - {{delivery: push, to: ada}}
    - {{delivery: email, to: ada}}
    """
    assert _failures(tmp_path, given, expect) == []
    by_step = expect.replace("by: exit", "by: invite.0.0")
    assert _failures(tmp_path, given, by_step) == []
    by_event = expect.replace("arm: 0, of: invite", "arm: Teammate Invited, of: invite")
    assert _failures(tmp_path, given, by_event) == []
    wrong = expect.replace(
        "arm: 0, of: invite, person: ada, at: +1d", "arm: 1, of: invite, person: ada"
    )
    assert _failures(tmp_path, given, wrong) == [
        "expected an arm 1 of invite by ada, but arm was 0"
    ]
    none = expect.replace(
        "arm: 0, of: invite, person: ada, at: +1d", "arm: 1, of: invite, person: ada, count: 0"
    )
    assert _failures(tmp_path, given, none) == []


def test_an_arm_that_nobody_came_to_says_why(tmp_path: Path) -> None:
    """The arms that were taken, or why nobody entered."""
    expect = f"{ENTERED}\n- {{arm: a, of: subject-june, person: ada}}"
    assert _failures(tmp_path, f"{START}\n{_invited()}", expect) == [
        (
            "expected an arm a of subject-june by ada, but there was none: they took an arm else of 1 "
            "at +0s; an arm 0 of invite at +1d"
        )
    ]


def test_a_step_that_its_if_leaves_out_is_a_skip(tmp_path: Path) -> None:
    """`{skipped: ada, reason: step-if, step: "0"}`."""
    given = f"{START}\n{_invited()}"
    left_out = f'{ENTERED}\n- {{skipped: ada, reason: step-if, step: "0", at: +0s}}'
    assert _failures(tmp_path, given, left_out) == []
    wanted = f"- {{identify: ada, traits: {{newsletter: true}}}}\n{given}"
    assert _failures(tmp_path, wanted, f"{left_out}\n- {{delivery: push, to: ada}}") == [
        (
            "expected a skip of ada at +0s with reason step-if and step 0, but there was none: they "
            "entered by track Trial Started at +0s"
        )
    ]


@pytest.mark.parametrize(
    ("key", "item", "text"),
    [
        ("{subject-may: a}", "", "called 'subject-may'; did you mean 'subject-june'?"),
        ("{subject-june: c}", "", "subject-june has no arm 'c'; there are a, b"),
        ("{}", "- {arm: a, of: invites, person: ada}", "called 'invites'; did you mean 'invite'?"),
        ("{}", "- {arm: Invited, of: invite, person: ada}", "invite has no arm 'Invited'"),
    ],
)
def test_an_arm_that_there_is_not_is_an_error(
    tmp_path: Path, key: str, item: str, text: str
) -> None:
    """It is located, with the name that comes nearest."""
    report = run(tmp_path, trial=TRIAL, trial_test=file_of(START, item, arms=key))
    (found,) = [each for each in report.diagnostics if each.severity == "error"]
    assert found.code == "unknown-arm"
    assert text in found.message


# --- coverage -------------------------------------------------------------------------------------


def _uncovered(folder: Path, *tests: str) -> set[str]:
    report = run(folder, trial=TRIAL, trial_test="tests:\n" + "".join(tests))
    assert [str(each) for each in report.diagnostics if each.severity == "error"] == []
    of_steps = [each for each in report.uncovered if each.address is not None]
    return {str(each).removeprefix(f"{folder}/trial.yaml:") for each in of_steps}


def _test(name: str, given: str, arms: str = "{}") -> str:
    return file_of(given, "", arms=arms).split("\n", 1)[1].replace("name: one", f"name: {name}")


def test_coverage_counts_steps_arms_and_waits(tmp_path: Path) -> None:
    """By their addresses, with the file's line; each `if` true and false, each wait passed and expired."""
    assert _uncovered(tmp_path, _test("none", "")) == {
        "8: trial: no test has seen this true: step 0, if: newsletter is true",
        "8: trial: no test has seen this false: step 0, if: newsletter is true",
        "7: trial: no test comes to this step: step 0, sends push",
        "10: trial: no test comes to this step: step 1, branches",
        "11: trial: no test has seen this true: step 1, arm 0: plan is team",
        "11: trial: no test has seen this false: step 1, arm 0: plan is team",
        "11: trial: no test takes this arm: step 1, arm 0",
        "12: trial: no test comes to this step: step team-mail, sends email",
        "13: trial: no test takes this arm: step 1, arm else",
        (
            "14: trial: no test comes to this step: step invite, waits for Teammate Invited or plan is "
            "pro, up to 3d"
        ),
        (
            "14: trial: no test passes this wait before it expires: step invite, waits for Teammate "
            "Invited or plan is pro, up to 3d"
        ),
        (
            "14: trial: no test lets this wait expire: step invite, waits for Teammate Invited or plan "
            "is pro, up to 3d"
        ),
        *(
            f"16: trial: {what}: step invite, arm 0: count is at least 2"
            for what in ("no test has seen this true", "no test has seen this false")
        ),
        *(
            f"16: trial: no test has a value {where} this bound: step invite, arm 0: count beside 2"
            for where in ("below", "just at", "above")
        ),
        "16: trial: no test takes this arm: step invite, arm 0",
        "16: trial: no test comes to this step: step invite.0.0, ends by its exit step",
        "17: trial: no test has seen this true: step invite, arm 1: plan is pro",
        "17: trial: no test has seen this false: step invite, arm 1: plan is pro",
        "17: trial: no test takes this arm: step invite, arm 1",
        "19: trial: no test comes to this step: step invite.else.0, sends in_app",
        "20: trial: no test comes to this step: step 3, is split by subject-june",
        "23: trial: no test takes this arm: step 3, arm a",
        "23: trial: no test comes to this step: step 3.a.0, sends sms",
        "24: trial: no test takes this arm: step 3, arm b",
        "24: trial: no test comes to this step: step 3.b.0, sends sms",
    }


def test_tests_that_go_every_way_leave_nothing_uncovered(tmp_path: Path) -> None:
    """Both plans, the invitation, the upgrade, the deadline, and each arm of the split."""
    team = "- {identify: ada, traits: {plan: team, newsletter: true}}"
    pro = "- {at: +2d, identify: ada, traits: {plan: pro}}"
    few = f"{START}\n{_invited(1)}\n{_invited(3, '+2d')}"
    assert (
        _uncovered(
            tmp_path,
            _test("invited", f"{team}\n{START}\n{_invited()}"),
            _test("few", few),
            _test("upgraded", f"{START}\n{pro}", "{subject-june: a}"),
            _test("nothing", START, "{subject-june: b}"),
        )
        == set()
    )


def test_the_steps_of_a_rule_do_the_same_while_they_are_noted(tmp_path: Path) -> None:
    """A wait of a plain rule is as long, and the last send ends its entry."""
    plain = """
campaign: trial
description: One.
when: Trial Started
reentry: not_while_active
whereupon: [{wait: 1d}, {send: push, title: One}, {wait: 1d}, {send: push, title: Two}]
"""
    given = f"{START}\n- {{at: +2d, track: Trial Started, user: ada}}"
    expect = """
    - {entered: ada, count: 2}
    - {delivery: push, to: ada, at: +1d, title: One}
    - {delivery: push, to: ada, at: +2d, title: Two}
    - {delivery: push, to: ada, at: +3d, title: One}
    - {delivery: push, to: ada, at: +4d, title: Two}
    """
    assert failures(tmp_path, trial=plain, trial_test=file_of(given, expect)) == []


# --- functions ------------------------------------------------------------------------------------

LEAD = """
campaign: lead
description: One.
when: Form Sent
reentry: every_time
whereupon:
  - run: score-lead
  - branch:
      - if: {run.score-lead.score: {gte: 50}}
        then: [{send: sms, text: "Score {{ run.score-lead.score }}"}]
"""


def test_a_test_may_say_what_a_function_returns(tmp_path: Path) -> None:
    """At its top, or for all tests at the top of the file; without it a function returns nothing."""
    sent = "- {track: Form Sent, user: ada}"
    high = "- {entered: ada}\n- {ran: score-lead, user: ada}\n- {delivery: sms, to: ada, text: Score 80}"
    scored = file_of(sent, high, functions="{score-lead: {score: 80}}")
    assert failures(tmp_path, lead=LEAD, lead_test=scored) == []
    of_file = "functions: {score-lead: {score: 80}}\n" + file_of(sent, high)
    assert failures(tmp_path, lead=LEAD, lead_test=of_file) == []
    low = file_of(sent, "- {entered: ada}", functions="{score-lead: {score: 20}}")
    assert (
        failures(tmp_path, lead=LEAD, lead_test=f"functions: {{score-lead: {{score: 80}}}}\n{low}")
        == []
    )
    assert failures(tmp_path, lead=LEAD, lead_test=file_of(sent, "- {entered: ada}")) == []
    assert failures(tmp_path, lead=LEAD, lead_test=file_of(sent, high)) == [
        'expected a delivery by sms to ada with text "Score 80", but there was none: the entry did not come to it'
    ]


def test_a_function_that_no_rule_runs_is_an_error(tmp_path: Path) -> None:
    """In `functions`, and where a test expects its call."""
    wrong = file_of("", "- {ran: score-leads, user: ada}", functions="{scorelead: 1}")
    report = run(tmp_path, lead=LEAD, lead_test=wrong)
    found = [
        (each.code, each.location.line) for each in report.diagnostics if each.severity == "error"
    ]
    assert found == [("unknown-function", 3), ("unknown-function", 6)]


# --- goals and holdouts ---------------------------------------------------------------------------

GOAL = """
campaign: trial
description: One.
when: Trial Started
reentry: every_time
goal: {event: Order Completed, where: {total: {gte: 10}}, within: 7d, already: skip}
holdout: 10
whereupon:
  - split: {name: subject-june, arms: {a: {share: 50, then: []}, b: {share: 50, then: []}}}
  - send: push
    title: Hello
  - wait: 30d
"""
ORDER = "- {{at: {}, track: Order Completed, user: ada, properties: {{total: {}}}}}".format


def _of_goal(folder: Path, given: str, expect: str, **more: str) -> list[str]:
    return failures(folder, trial=GOAL, trial_test=file_of(given, expect, **more))


def test_expect_may_say_that_a_person_converted(tmp_path: Path) -> None:
    """`{converted: ada}`, with its time, the goal's event and an arm of a split."""
    given = f"{START}\n{ORDER('+2d', 20)}"
    sent = f"{ENTERED}\n- {{delivery: push, to: ada}}"
    arms, out = "{subject-june: b}", "false"
    converted = f"{sent}\n- {{converted: ada, by: Order Completed, arm: b, at: +2d}}"
    assert _of_goal(tmp_path, given, converted, arms=arms, holdout=out) == []
    by_goal = f"{sent}\n- {{exited: ada, by: goal, at: +2d}}\n- {{converted: ada, count: 1}}"
    assert _of_goal(tmp_path, given, by_goal, holdout=out) == []
    none = f"{sent}\n- {{converted: ada, count: 0}}"
    assert _of_goal(tmp_path, f"{START}\n{ORDER('+8d', 20)}", none, holdout=out) == []
    wrong = f"{sent}\n- {{converted: ada}}"
    assert _of_goal(tmp_path, f"{START}\n{ORDER('+1d', 5)}", wrong, holdout=out) == [
        "expected a conversion of ada, but there was none: they did not reach the goal"
    ]
    assert _of_goal(tmp_path, given, converted, arms="{subject-june: a}", holdout=out) == [
        "expected a conversion by Order Completed of ada at +2d with arm b, but arm was a"
    ]


def test_a_test_may_decide_who_is_held_out(tmp_path: Path) -> None:
    """`holdout: true` keeps everybody out; their goal is watched, too."""
    given = f"{START}\n{ORDER('+2d', 20)}"
    held = "- {skipped: ada, reason: holdout}\n- {converted: ada, at: +2d}"
    assert _of_goal(tmp_path, given, held, holdout="true") == []


def test_a_holdout_that_there_is_not_cannot_be_decided(tmp_path: Path) -> None:
    """A key that says nothing is an error."""
    report = run(tmp_path, trial=TRIAL, trial_test=file_of("", "", holdout="true"))
    assert [each.code for each in report.diagnostics if each.severity == "error"] == [
        "unsupported-key"
    ]


def test_coverage_counts_the_goal_and_the_holdout(tmp_path: Path) -> None:
    """Met and missed, held out and let in, kept out, and the goal's window to its edge."""

    def left(*tests: str) -> set[str]:
        report = run(tmp_path, trial=GOAL, trial_test="tests:\n" + "".join(tests))
        return {
            str(each).rpartition("trial: ")[2]
            for each in report.uncovered
            if each.part.startswith(("goal", "holdout"))
        }

    assert left(_test("nothing", "")) == {
        "no test meets this goal: goal: Order Completed",
        "no test misses this goal: goal: Order Completed",
        "no test keeps out a person who met the goal before: goal: already",
        "no test holds a person out: holdout",
        "no test lets a person past this: holdout",
        *(
            f"no test is {where} this window: goal: Order Completed within 7d"
            for where in ("inside", "outside of", "just at the edge of")
        ),
        *(
            f"no test has {what}: goal: {part}"
            for what, part in (
                ("seen this true", "total is at least 10"),
                ("seen this false", "total is at least 10"),
                ("a value below this bound", "total beside 10"),
                ("a value just at this bound", "total beside 10"),
                ("a value above this bound", "total beside 10"),
            )
        ),
    }
    out = "holdout: false\n    "
    everything = (
        _test(
            "met", f"{START}\n{ORDER('+1d', 5)}\n{ORDER('+2d', 20)}\n- {{at: +3d, {START[3:]}"
        ).replace("given:", f"{out}given:"),
        _test("edge", f"{START}\n{ORDER('+7d', 10)}").replace("given:", f"{out}given:"),
        _test("late", f"{START}\n{ORDER('+8d', 10)}").replace("given:", f"{out}given:"),
        _test("held", START).replace("given:", "holdout: true\n    given:"),
    )
    assert left(*everything) == set()
