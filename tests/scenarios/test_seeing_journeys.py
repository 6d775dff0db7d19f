"""Which arm, which wait, why and until when: explain, the timeline and replay tell it, on every store."""

import json
from pathlib import Path

import pytest
from pydantic import JsonValue
from tests.rule_files import campaign
from tests.scenarios.commands import whereupon
from tests.worlds import DAY, HOUR, World, world

from whereupon.ports import Store
from whereupon.records import EntryState, MarkKind
from whereupon.render.records import explanation_object

WAIT: JsonValue = {
    "wait_for": [{"event": "Teammate Invited", "then": [{"send": "push", "title": "Two of you"}]}],
    "up_to": "3d",
    "else": [{"send": "in_app", "title": "Invite a colleague"}],
}
BRANCH: JsonValue = {
    "branch": [
        {"if": {"plan": "team"}, "then": [{"send": "push", "title": "Team"}]},
        {"if": {"plan": "pro"}, "then": [{"send": "push", "title": "Pro"}]},
        {"else": [{"send": "push", "title": "Free"}]},
    ]
}


def inside(home: Store, *steps: JsonValue, plan: str = "team") -> World:
    """Ada is inside a trial of these steps, since noon."""
    made = world(campaign("trial", "Trial Started", whereupon=list(steps)), store=home)
    made.identify("ada", {"plan": plan}, at=0)
    made.track("Trial Started", "ada", at=0, message_id="m-1")
    return made


def sentence(made: World) -> str:
    """What explain says of the one entry."""
    (told,) = made.engine.explain("ada", "trial")
    return told.sentence


def test_explain_says_which_arm_by_which_condition_and_the_values_seen(home: Store) -> None:
    """By the address of the branch; of a branch's last arm, that none before it holds."""
    assert (
        'at 2026-03-01T12:00:00Z the entry took the arm 0 of step 0, since plan is team (plan was "team"); '
        "push “Team” waits to be sent" in sentence(inside(home, BRANCH))
    )


def test_explain_says_that_no_arm_before_the_last_holds(home: Store) -> None:
    """The arm `else` has no condition of its own."""
    made = inside(home, BRANCH, plan="free")
    assert "took the arm else of step 0, since no arm before it holds" in sentence(made)


def test_explain_says_that_no_arm_holds_and_the_entry_goes_on(home: Store) -> None:
    """A branch without `else` that nobody's arm is of."""
    bare: JsonValue = {"branch": [{"if": {"plan": "pro"}, "then": ["exit"]}]}
    assert "took no arm of step 0, since none holds" in sentence(inside(home, bare))


def test_explain_says_which_wait_and_until_when_and_what_follows(home: Store) -> None:
    """A waiting entry says where it stands."""
    assert sentence(inside(home, WAIT)).endswith(
        "; the entry waits for Teammate Invited, up to 2026-03-04T12:00:00Z (step 0); "
        "then it sends in_app (step 0.else.0)."
    )


def test_explain_says_why_it_goes_on_by_which_message(home: Store) -> None:
    """The message's id and its own time."""
    made = inside(home, WAIT)
    made.track("Teammate Invited", "ada", at=DAY, message_id="m-2")
    assert (
        "at 2026-03-02T12:00:00Z the entry went on from step 0 by the arm 0, "
        "by Teammate Invited of 2026-03-02T12:00:00Z (m-2); push “Two of you” waits"
        in sentence(made)
    )


def test_explain_says_which_deadline_expired(home: Store) -> None:
    """The arm `else` was taken, since the time was up."""
    made = inside(home, WAIT)
    made.run(4 * DAY)
    assert (
        "at 2026-03-04T12:00:00Z the entry went on from step 0 by the arm else, "
        "since the time of its wait is up; in_app “Invite a colleague”" in sentence(made)
    )


def test_a_late_message_undoes_nothing_and_explain_says_so(home: Store) -> None:
    """It is kept on the entry, though the entry is over."""
    made = inside(home, WAIT)
    made.run(4 * DAY)
    made.track("Teammate Invited", "ada", at=DAY, arrives=5 * DAY, message_id="m-2")
    assert (
        "the entry heard too late of Teammate Invited of 2026-03-02T12:00:00Z (m-2): "
        "the wait at step 0 was over" in sentence(made)
    )
    assert [each.channel for each in made.deliveries()] == ["in_app"]


def test_explain_says_which_steps_were_left_out_by_if(home: Store) -> None:
    """And what their condition saw."""
    made = inside(
        home, {"send": "push", "title": "News", "if": {"newsletter": True}}, {"wait": "1h"}, "exit"
    )
    assert (
        "the entry left out step 0 (sends push), since its `if` asks that newsletter is true, "
        "but newsletter was missing" in sentence(made)
    )


def test_explain_says_which_arm_of_a_split(home: Store) -> None:
    """And the split's name."""
    split: JsonValue = {
        "split": {"name": "june", "arms": {"a": {"share": 100, "then": [{"send": "push"}]}}}
    }
    assert "took the arm a of step 0, in the split june" in sentence(inside(home, split))


def test_a_wait_without_an_end_says_so_and_has_no_time(home: Store) -> None:
    """In the JSON form ``waits_until`` is null."""
    made = inside(home, {"wait_for": [{"event": "Paid"}], "up_to": "forever"}, {"send": "push"})
    (told,) = made.engine.explain("ada", "trial")
    assert told.sentence.endswith("the entry waits for Paid (step 0), for ever.")
    assert (told.waits_until, told.step) == (None, "0")


def test_an_entry_that_waits_until_a_date_says_which(home: Store) -> None:
    """The attribute, and the moment that it gives now."""
    made = world(
        campaign(
            "trial",
            "Trial Started",
            whereupon=[{"wait": {"until": "person.ends_at", "before": "1d"}}, {"send": "push"}],
        ),
        store=home,
    )
    made.identify("ada", {"ends_at": "2026-03-05T12:00:00Z"}, at=0)
    made.track("Trial Started", "ada", at=0)
    assert sentence(made).endswith(
        "the entry waits until 1d before person.ends_at, which is 2026-03-04T12:00:00Z (step 0); "
        "then it sends push (step 1)."
    )


def test_a_paused_entry_says_where_it_stands(home: Store) -> None:
    """By whom and since when, and what it waits for."""
    made = inside(home, WAIT)
    (entry,) = made.engine.entries.list(rule="trial").entries
    made.engine.entries.pause(entry.key, by="tim")
    said = sentence(made)
    assert "the entry is paused since 2026-03-01T12:00:00Z by tim, while it waits for " in said
    assert "Teammate Invited, up to 2026-03-04T12:00:00Z (step 0)" in said


def test_steps_of_a_rule_without_arms_are_told_as_before(home: Store) -> None:
    """A list of sends and waits needs no addresses."""
    made = inside(home, {"wait": "2h"}, {"send": "push"})
    assert sentence(made).endswith(
        "; the entry waits until 2026-03-01T14:00:00Z; then it sends push."
    )


def test_the_json_form_has_the_step_and_the_trail_behind_the_keys_that_were_there(
    home: Store,
) -> None:
    """New keys only; what the engine keeps for itself is left out."""
    made = inside(home, WAIT, {"wait": "1h"}, {"send": "push"})
    made.track("Teammate Invited", "ada", at=DAY, message_id="m-2")
    (told,) = made.engine.explain("ada", "trial")
    shown = explanation_object(told)
    assert list(shown)[-4:] == ["deliveries", "step", "trail", "converted_at"]
    assert shown["step"] == "2"
    trail = shown["trail"]
    assert isinstance(trail, list)
    assert [(each["what"], each["step"], each["arm"], each["by"]) for each in trail] == [
        ("waits", "0", None, None),
        ("passed", "0", "0", "m-2"),
    ]
    assert trail[1]["values"] == {"timestamp": "2026-03-02T12:00:00Z"}


def test_the_timeline_of_a_person_tells_the_same_sentence(home: Store) -> None:
    """Beside the message that opened the entry."""
    made = inside(home, BRANCH, WAIT)
    happened = made.engine.timeline("ada")
    told = [each for one in happened for each in one.decisions]
    assert [each.sentence for each in told] == [sentence(made)]
    assert [mark.kind for mark in told[0].trail] == [MarkKind.ARM, MarkKind.WAITS]


def test_in_further_rounds_addresses_say_the_round(home: Store) -> None:
    """A wait that has started anew once stands at ``0#1``."""
    anew: JsonValue = {"wait_for": [{"event": "Paid", "again": True}], "up_to": "3d"}
    made = inside(home, anew, {"send": "push"})
    made.track("Paid", "ada", at=HOUR, message_id="m-2")
    assert "the entry waits for Paid, up to 2026-03-04T13:00:00Z (step 0#1)" in sentence(made)
    (entry,) = made.engine.entries.list(rule="trial").entries
    assert (entry.state, entry.address) == (EntryState.ACTIVE, "0#1")


# --- replay -------------------------------------------------------------------------------------------

RULE = """
campaign: trial
description: A trial.
when: Trial Started
reentry: once
whereupon:
  - branch: [{if: {plan: team}, then: [{send: push, title: Team, if: {newsletter: true}}]}]
  - wait_for: [{event: Teammate Invited, then: [{send: push, title: Two of you}]}]
    up_to: 3d
  - wait_for: [{event: Paid}]
    up_to: 2d
    else: [{send: in_app, title: Pay}]
  - wait_for: [{event: Bye}]
    up_to: forever
"""
STREAM: list[dict[str, object]] = [
    {"type": "identify", "messageId": "m-0", "userId": "ada", "traits": {"plan": "team"}},
    {"type": "track", "messageId": "m-1", "userId": "ada", "event": "Trial Started"},
    {"type": "track", "messageId": "m-2", "userId": "ada", "event": "Teammate Invited"},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a rule and a stream, a message a day."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "trial.yaml").write_text(RULE, encoding="utf-8")
    lines = [
        json.dumps({**message, "timestamp": f"2026-03-0{day}T12:00:00Z"})
        for day, message in enumerate(STREAM, 1)
    ]
    (tmp_path / "stream.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


def test_replay_tells_arms_waits_and_deadlines_as_they_happen(folder: Path) -> None:
    """Under the message, or the time, that made an entry go on."""
    said = whereupon(
        "replay", "stream.jsonl", "--rules", "rules", "--until", "+4d", folder=folder, columns=200
    )
    lines = [line.strip() for line in said.stdout.splitlines()]
    assert lines[lines.index("✓ enters trial") :][:14] == [
        "✓ enters trial",
        '◇ takes the arm 0 of step 0, since plan is team (plan was "team") (trial)',
        (
            "· leaves out step 0.0.0 (sends push), since its `if` asks that newsletter is true, "
            "but newsletter was missing (trial)"
        ),
        "… waits for Teammate Invited, up to 2026-03-05T12:00:00Z (step 1) (trial)",
        "",
        "Tuesday 3 March 2026",
        "12:00  ada  Teammate Invited",
        "» goes on from step 1 by the arm 0, by Teammate Invited of 2026-03-03T12:00:00Z (m-2) (trial)",
        "→ push to ada: “Two of you” (trial)",
        "… waits for Paid, up to 2026-03-05T12:00:00Z (step 2) (trial)",
        "",
        "Thursday 5 March 2026",
        "12:00  ada  3 days after entering trial",
        "» goes on from step 2 by the arm else, since the time of its wait is up (trial)",
    ]
    assert "… waits for Bye (step 3) (trial)" in lines
    assert any(
        line.split() == ["for", "ever", "ada", "trial", "waits", "for", "Bye", "(step", "3)"]
        for line in lines
    )


def test_replay_prints_what_entries_pass_as_json(folder: Path) -> None:
    """One object of the kind ``step`` each, and where an entry stands at the end."""
    done = whereupon(
        "replay", "stream.jsonl", "--rules", "rules", "--json", "--until", "+4d", folder=folder
    )
    steps = done.of_kind("step")
    assert [(each["what"], each["step"], each["arm"], each["until"]) for each in steps] == [
        ("arm", "0", "0", None),
        ("step-if", "0.0.0", None, None),
        ("waits", "1", None, "2026-03-05T12:00:00Z"),
        ("passed", "1", "0", None),
        ("waits", "2", None, "2026-03-05T12:00:00Z"),
        ("expired", "2", "else", None),
        ("waits", "3", None, None),
    ]
    assert steps[0]["values"] == {"person.plan": "team"}
    (waiting,) = done.of_kind("waiting")
    assert (waiting["step"], waiting["due_at"]) == ("3", None)


def test_a_replay_that_runs_waits_to_their_end_leaves_a_wait_without_an_end(folder: Path) -> None:
    """Nobody comes to the end of it."""
    done = whereupon("replay", "stream.jsonl", "--rules", "rules", "--json", folder=folder)
    assert [each["step"] for each in done.of_kind("waiting")] == ["3"]


def test_broadcasts_count_who_took_which_arm(tmp_path: Path) -> None:
    """A replay shows the run of a broadcast as one moment."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "news.yaml").write_text(
        "broadcast: news\ndescription: News.\nwhen: Published\nwhereupon:\n"
        "  - branch: [{if: {plan: team}, then: [{send: push, title: Team}]}, {else: [{send: push, title: All}]}]\n"
    )
    people: list[dict[str, object]] = [
        {"type": "identify", "messageId": f"m-{n}", "userId": f"p{n}", "traits": {"plan": plan}}
        for n, plan in enumerate(["team", "free", "free"])
    ]
    sent: dict[str, object] = {
        "type": "track",
        "messageId": "m-9",
        "userId": "p0",
        "event": "Published",
    }
    lines = [json.dumps({**each, "timestamp": "2026-03-01T12:00:00Z"}) for each in [*people, sent]]
    (tmp_path / "stream.jsonl").write_text("\n".join(lines))
    said = whereupon("replay", "stream.jsonl", "--rules", "rules", folder=tmp_path, columns=200)
    assert "◇ 1 take the arm 0 of step 0" in said.stdout
    assert "◇ 2 take the arm else of step 0" in said.stdout
