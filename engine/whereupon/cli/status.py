"""``whereupon status``: the entries and broadcasts that an engine would leave alone, and channels that rest."""

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime

from whereupon.cli.exit_status import exits_with_status
from whereupon.cli.options import AsJson, RulesIfAny, StoreUrl
from whereupon.cli.printing import print_lines, print_objects
from whereupon.cli.stores import existing_store, rules_for
from whereupon.matching import RuleIndex
from whereupon.messages.times import format_instant
from whereupon.operations.outbox import resting_channels
from whereupon.pipeline.rule_versions import RuleVersions
from whereupon.pipeline.sweeps import paused_runs
from whereupon.pipeline.work_scope import LeftAlone, Why, left_alone
from whereupon.ports import Session
from whereupon.records import ChannelState
from whereupon.render.entries import (
    pause_line,
    pause_object,
    paused_run_line,
    paused_run_object,
)
from whereupon.render.formatting import clean, counted
from whereupon.scheduling import SystemClock

_WHY = {
    Why.UNKNOWN_RULE: "there is no such rule here",
    Why.UNREADABLE: "a newer whereupon wrote the version that they follow",
    Why.PAUSED: "the rule is switched off",
    Why.PAUSED_BY_OPERATOR: "an operator has paused it",
}


@exits_with_status
def status_command(store: StoreUrl, rules: RulesIfAny = None, as_json: AsJson = False) -> None:
    """List the rules whose entries and broadcasts an engine with these rules leaves alone, and channels that rest.

    What time alone changes is listed where moments are due that no engine has come to yet.

    A rule is unknown, unreadable, switched off or paused. Its entries wait until an engine runs that knows the rule
    and has it switched on. A channel rests after failures in a row, or since its provider asked for it; its
    deliveries wait. What operators have paused is listed with their names.
    """
    versions = RuleVersions(RuleIndex(rules_for(rules, store)))
    with closing(existing_store(store)) as event_store, event_store.reading() as session:
        ignored = left_alone(session, versions)
        resting = resting_channels(session, SystemClock().now())
        rules_paused, runs = session.rule_pauses(), paused_runs(session)
        entries = session.count_paused()
        moments = _due_moments(session, versions, SystemClock().now())
    if as_json:
        paused = [*map(pause_object, rules_paused), *map(paused_run_object, runs)]
        counts = ({"kind": "paused-entries", "rule": r, "entries": n} for r, n in entries.items())
        print_objects(
            *map(_object, ignored), *map(_channel_object, resting), *paused, *counts, *moments
        )
    else:
        lines = [*map(_line, ignored)] or ["Nothing is left alone."]
        paused_lines = [*map(pause_line, rules_paused), *map(paused_run_line, runs)]
        paused_lines += [_paused_line(rule, number) for rule, number in entries.items()]
        overdue = map(_moments_line, moments)
        print_lines([*lines, *map(_channel_line, resting), *paused_lines, *overdue])


_MOST_COUNTED = 1_000
"""So many due moments of a subject are counted."""


def _due_moments(
    session: Session, versions: RuleVersions, now: datetime
) -> list[dict[str, str | int]]:
    """How many moments of each subject are due, and since when."""
    first = session.next_timers(sorted(versions.index.timed.by_name))
    return [
        {
            "kind": "due-moments",
            "subject": subject,
            "moments": len(session.due_timers([subject], now, _MOST_COUNTED)),
            "due_at": format_instant(due_at),
        }
        for subject, due_at in sorted(first.items())
        if due_at <= now
    ]


def _moments_line(due: Mapping[str, str | int]) -> str:
    number = int(due["moments"])
    more = " or more" if number == _MOST_COUNTED else ""
    moments = f"{number}{more} {'moment is' if number == 1 else 'moments are'} due"
    return f"{clean(str(due['subject']))}  {moments}, the first since {due['due_at']}"


def _paused_line(rule: str, number: int) -> str:
    name, people = clean(rule), counted(number, "entry is", "entries are")
    return f"{people} paused in {name}; see whereupon entries {name} list --state paused"


def _object(ignored: LeftAlone) -> dict[str, object]:
    due_at = format_instant(ignored.due_at)
    return {"kind": "left-alone", **ignored._asdict(), "due_at": due_at}


def _line(ignored: LeftAlone) -> str:
    entries = f"{ignored.entries} inside" if ignored.entries else ""
    runs = f"{ignored.runs} broadcasts to send" if ignored.runs else ""
    what = ", ".join(part for part in (entries, runs) if part)
    due = format_instant(ignored.due_at)
    return f"{clean(ignored.rule)}  {what}, due {due}: {_WHY[ignored.why]}"


def _channel_object(state: ChannelState) -> dict[str, object]:
    until = _until(state)
    return {"kind": "resting", "channel": state.name, "failures": state.failures, "until": until}


def _channel_line(state: ChannelState) -> str:
    failures = "1 failure" if state.failures == 1 else f"{state.failures} failures"
    why = f"after {failures} in a row" if state.failures else "as its provider asked"
    return f"channel {clean(state.name)} rests until {_until(state)}, {why}"


def _until(state: ChannelState) -> str:
    assert state.rests_until is not None  # noqa: S101 - it rests
    return format_instant(state.rests_until)
