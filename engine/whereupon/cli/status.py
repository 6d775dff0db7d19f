"""``whereupon status``: the entries and broadcasts that an engine would leave alone, and channels that rest."""

from contextlib import closing

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
    if as_json:
        paused = [*map(pause_object, rules_paused), *map(paused_run_object, runs)]
        counts = ({"kind": "paused-entries", "rule": r, "entries": n} for r, n in entries.items())
        print_objects(*map(_object, ignored), *map(_channel_object, resting), *paused, *counts)
    else:
        lines = [*map(_line, ignored)] or ["Nothing is left alone."]
        paused_lines = [*map(pause_line, rules_paused), *map(paused_run_line, runs)]
        paused_lines += [_paused_line(rule, number) for rule, number in entries.items()]
        print_lines([*lines, *map(_channel_line, resting), *paused_lines])


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
