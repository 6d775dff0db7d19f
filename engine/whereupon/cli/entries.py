"""``whereupon entries``: who is inside which rule; pause, resume, end, and move to another version.

``--by`` names the person who decides. What ends or moves people says first how many they are, and asks.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Annotated, NamedTuple, TypeAlias

import typer

from whereupon.cli.exit_status import FINDINGS, exits_with_status, fail, print_to_stderr
from whereupon.cli.options import LARGEST, RULES, AsJson, Confirmed, RulesFolder, StoreUrl
from whereupon.cli.printing import print_lines, print_objects
from whereupon.cli.stores import keyed_engine
from whereupon.engine import Engine
from whereupon.errors import UnknownNameError
from whereupon.insight import where_words
from whereupon.records import Entry, EntryState
from whereupon.render.entries import (
    count_line,
    count_object,
    entry_line,
    entry_object,
    moved_lines,
    moved_objects,
    pause_line,
    pause_object,
)
from whereupon.render.formatting import counted


class EntryAction(StrEnum):
    """What to do with the people inside a rule."""

    COUNT = "count"
    LIST = "list"
    PAUSE = "pause"
    RESUME = "resume"
    END = "end"
    MOVE = "move"


RuleName: TypeAlias = Annotated[
    str | None, typer.Argument(metavar="RULE", help="The id of a rule; by default all rules.")
]
Action: TypeAlias = Annotated[
    EntryAction,
    typer.Argument(
        help="count: by version and step; list: one by one; pause, resume, end, move: decide about them."
    ),
]
EntryNumber: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--entry", metavar="NUMBER", min=1, max=LARGEST, help="One entry, by the number of `list`."
    ),
]
Person: TypeAlias = Annotated[
    str | None, typer.Option("--person", metavar="ID", help="With list: only this person's.")
]
State: TypeAlias = Annotated[
    EntryState | None,
    typer.Option("--state", help="With list: only entries in this state; else those not ended."),
]
Version: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--version",
        "--from",
        metavar="DIGEST",
        help="Only people in this version, by the beginning of its digest, or current.",
    ),
]
StepAddress: TypeAlias = Annotated[
    str | None,
    typer.Option("--step", metavar="ADDRESS", help="Only people before this step."),
]
ToVersion: TypeAlias = Annotated[
    str, typer.Option("--to", metavar="DIGEST", help="With move: the version to move to.")
]
StepMap: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="OLD=NEW",
        help="With move: the addresses of the next step in the old and the new version.",
    ),
]
DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")
]
DecidedBy: TypeAlias = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="The name of the person who decides.")
]
After: TypeAlias = Annotated[
    int, typer.Option("--after", metavar="NUMBER", min=0, max=LARGEST, help="With list: read on.")
]
Limit: TypeAlias = Annotated[
    int, typer.Option("--limit", min=1, max=100_000, help="With list: the most entries.")
]


@exits_with_status
def entries_command(  # noqa: PLR0913, PLR0917 - one for each option
    store: StoreUrl,
    rule: RuleName = None,
    action: Action = EntryAction.COUNT,
    entry: EntryNumber = None,
    person: Person = None,
    state: State = None,
    version: Version = None,
    step: StepAddress = None,
    to: ToVersion = "current",
    step_map: StepMap = None,
    dry_run: DryRun = False,
    by: DecidedBy = None,
    yes: Confirmed = False,
    after: After = 0,
    limit: Limit = 100,
    rules: RulesFolder = RULES,
    as_json: AsJson = False,
) -> None:
    """Count the people inside rules by version and step; list them; pause, resume, end or move them.

    Pausing a rule is what `active: false` in its file does, without a deploy: nobody enters, and who is inside stands
    still. People who are resumed go on late.
    """
    given = {
        "--entry": entry,
        "--person": person,
        "--state": state,
        "--version": version,
        "--step": step,
        "--to": None if to == "current" else to,
        "--map": step_map,
        "--dry-run": dry_run or None,
        "--by": by,
        "--after": after or None,
    }
    _check_options(action, [name for name, value in given.items() if value is not None])
    name = _decider(by, dry_run=dry_run) if action in _DECIDING else ""
    with keyed_engine(store, rules) as engine:
        match action:
            case EntryAction.COUNT:
                _count(engine, rule, as_json=as_json)
            case EntryAction.LIST:
                asked = _Asked(rule, person, state, version, step, after, limit)
                _list(engine, asked, as_json=as_json)
            case EntryAction.PAUSE | EntryAction.RESUME:
                _turn(engine, action, _target(rule, entry), name, as_json=as_json)
            case EntryAction.END:
                plan = _Plan(name, version, step, dry_run=dry_run, yes=yes, as_json=as_json)
                _end(engine, _target(rule, entry), plan)
            case EntryAction.MOVE:
                plan = _Plan(name, version, step, dry_run=dry_run, yes=yes, as_json=as_json)
                _move(engine, _rule_of(rule), to, _steps_of(step_map or ()), plan)


class _Asked(NamedTuple):
    """Which entries are listed."""

    rule: str | None
    person: str | None
    state: EntryState | None
    version: str | None
    step: str | None
    after: int
    limit: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """Whom a decision is about, and how it is carried out."""

    by: str
    version: str | None
    step: str | None
    dry_run: bool = field(kw_only=True)
    yes: bool = field(kw_only=True)
    as_json: bool = field(kw_only=True)


_DECIDING = (EntryAction.PAUSE, EntryAction.RESUME, EntryAction.END, EntryAction.MOVE)
_OPTIONS: Mapping[EntryAction, frozenset[str]] = {
    EntryAction.COUNT: frozenset(),
    EntryAction.LIST: frozenset({"--person", "--state", "--version", "--step", "--after"}),
    EntryAction.PAUSE: frozenset({"--entry", "--by"}),
    EntryAction.RESUME: frozenset({"--entry", "--by"}),
    EntryAction.END: frozenset({"--entry", "--version", "--step", "--dry-run", "--by"}),
    EntryAction.MOVE: frozenset({"--version", "--to", "--map", "--dry-run", "--by"}),
}


def _check_options(action: EntryAction, given: Sequence[str]) -> None:
    others = [name for name in given if name not in _OPTIONS[action]]
    if others:
        fail(f"{action} takes no {', '.join(others)}")
    if "--entry" in given and ("--version" in given or "--step" in given):
        fail("name either one entry, or the people of a --version or before a --step")


def _decider(by: str | None, *, dry_run: bool) -> str:
    if by is None and not dry_run:
        fail("say who decides this: --by NAME")
    return by or "dry run"


def _rule_of(rule: str | None) -> str:
    if rule is None:
        fail("name the rule")
    return rule


def _target(rule: str | None, entry: int | None) -> str | int:
    if entry is not None:
        return entry
    if rule is None:
        fail("name a rule, or one entry: --entry NUMBER")
    return rule


def _steps_of(texts: Iterable[str]) -> dict[str, str]:
    steps: dict[str, str] = {}
    for text in texts:
        old, _, new = text.partition("=")
        if not (old and new):
            fail(f"--map takes the addresses of two steps, such as cart=cart2, not {text!r}")
        steps[old] = new
    return steps


def _count(engine: Engine, rule: str | None, *, as_json: bool) -> None:
    counts, pauses = engine.entries.counts(rule), engine.entries.pauses()
    paused = [each for each in pauses if rule in {None, each.rule}]
    known = engine.pipeline.index.by_id
    if rule is not None and rule not in known and not counts and not paused:
        raise UnknownNameError(kind="rule", name=rule, known=tuple(known))
    current = {each.digest for each in engine.pipeline.index.book.rules}
    with engine.store.reading() as session:
        rules = {v: engine.pipeline.rule_version(session, v) for v in {c.version for c in counts}}
    places = [(each, where_words(rules[each.version], each.address)) for each in counts]
    if as_json:
        counted_objects = (count_object(each, current, where) for each, where in places)
        print_objects(*map(pause_object, paused), *counted_objects)
        return
    lines = [count_line(each, current, where) for each, where in places] or ["Nobody is inside."]
    print_lines([*map(pause_line, paused), *lines])


def _list(engine: Engine, asked: _Asked, *, as_json: bool) -> None:
    page = engine.entries.list(**asked._asdict())
    names = _names(engine, page.entries)
    if as_json:
        print_objects(*(entry_object(each, names[each.person_key]) for each in page.entries))
    else:
        lines = [entry_line(each, names[each.person_key]) for each in page.entries]
        print_lines(lines or ["There are no such entries."])
    if page.next is not None:
        print_to_stderr(f"whereupon: there may be more: --after {page.next}")


def _names(engine: Engine, entries: Iterable[Entry]) -> Mapping[int, str]:
    """The first user ids of the persons, by key."""
    keys = {entry.person_key for entry in entries}
    with engine.store.reading() as session:
        names = {person.key: person.user_id for person in session.persons(keys)}
    return {key: names.get(key, "") for key in keys}


def _turn(
    engine: Engine, action: EntryAction, target: str | int, by: str, *, as_json: bool
) -> None:
    """Pause or resume."""
    is_pause = action is EntryAction.PAUSE
    if isinstance(target, int):
        turn = engine.entries.pause if is_pause else engine.entries.resume
        _print_entry(engine, turn(target, by=by), as_json=as_json)
    elif is_pause:
        pause = engine.entries.pause(target, by=by)
        if as_json:
            print_objects(pause_object(pause))
        else:
            print_lines([pause_line(pause)])
    else:
        engine.entries.resume(target, by=by)
        if not as_json:
            print_lines([f"{target} goes on; what came due meanwhile is done now, late."])


def _print_entry(engine: Engine, entry: Entry, *, as_json: bool) -> None:
    name = _names(engine, [entry])[entry.person_key]
    if as_json:
        print_objects(entry_object(entry, name))
    else:
        print_lines([entry_line(entry, name)])


def _end(engine: Engine, target: str | int, plan: _Plan) -> None:
    if isinstance(target, int):
        if plan.dry_run:
            found = engine.entries.show(target)
        else:
            found = engine.entries.end(target, by=plan.by)
        _print_entry(engine, found, as_json=plan.as_json)
        return
    end = partial(engine.entries.end, target, by=plan.by, version=plan.version, step=plan.step)
    number = end(dry_run=True)
    people = counted(number, "person", "people")
    if number and not plan.dry_run:
        if not plan.yes and not typer.confirm(f"End {target} for {people}?", err=True):
            fail("nothing was done", FINDINGS)
        number = end()
        people = counted(number, "person", "people")
    if plan.as_json:
        said = {"kind": "end", "rule": target, "people": number, "dry_run": plan.dry_run}
        print_objects(said)
    else:
        print_lines([f"{target} {'would end' if plan.dry_run else 'ended'} for {people}."])


def _move(engine: Engine, rule: str, to: str, steps: Mapping[str, str], plan: _Plan) -> None:
    move = partial(
        engine.entries.move,
        rule,
        by=plan.by,
        from_version=plan.version,
        to_version=to,
        steps=steps,
    )
    moved = move(dry_run=True)
    if moved.moved and not plan.dry_run:
        people = counted(moved.moved, "person", "people")
        if not plan.yes:
            for line in moved_lines(moved, dry_run=True):
                print_to_stderr(line)
            if not typer.confirm(f"Move {people}?", err=True):
                fail("nothing was done", FINDINGS)
        moved = move()
    if plan.as_json:
        print_objects(*moved_objects(moved, dry_run=plan.dry_run))
    else:
        print_lines(moved_lines(moved, dry_run=plan.dry_run))
    if moved.refused:
        raise typer.Exit(FINDINGS)
