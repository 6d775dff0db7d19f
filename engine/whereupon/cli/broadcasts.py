"""``whereupon broadcasts`` and ``broadcast``: runs of broadcasts, whom one would reach; pause, resume, cancel.

``--by`` names the person who decides. A cancellation asks first, since it is for good.
"""

import sys
from enum import StrEnum
from typing import Annotated, TypeAlias

import typer

from whereupon.cli.exit_status import FINDINGS, exits_with_status, fail
from whereupon.cli.options import RULES, AsJson, Confirmed, MostResults, RulesFolder, StoreUrl
from whereupon.cli.printing import print_lines, print_objects
from whereupon.cli.progress import progress_of_people
from whereupon.cli.stores import keyed_engine
from whereupon.engine import Engine
from whereupon.errors import UnknownNameError
from whereupon.records import BroadcastRun
from whereupon.render.entries import (
    preview_lines,
    preview_object,
    run_line,
    run_object,
)
from whereupon.rules.model import RuleKind


class RunAction(StrEnum):
    """What to do with a broadcast, or with one of its runs."""

    RUNS = "runs"
    PREVIEW = "preview"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


BroadcastName: TypeAlias = Annotated[
    str | None,
    typer.Argument(metavar="BROADCAST", help="The id of a broadcast; by default all of them."),
]
Action: TypeAlias = Annotated[
    RunAction,
    typer.Argument(help="runs: list them; preview: whom it would reach; pause, resume, cancel."),
]
RunName: TypeAlias = Annotated[
    str | None,
    typer.Option("--run", metavar="RUN", help="Which run; by default the one that is under way."),
]
DecidedBy: TypeAlias = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="The name of the person who decides.")
]
Sample: TypeAlias = Annotated[
    int, typer.Option("--sample", min=0, max=1_000, help="With preview: how many user ids to show.")
]


Preview: TypeAlias = Annotated[
    bool, typer.Option("--preview", help="Say whom it would reach: the same as the word preview.")
]


@exits_with_status
def broadcasts_command(  # noqa: PLR0913, PLR0917 - one for each option
    store: StoreUrl,
    broadcast: BroadcastName = None,
    action: Action = RunAction.RUNS,
    run: RunName = None,
    by: DecidedBy = None,
    yes: Confirmed = False,
    sample: Sample = 10,
    preview: Preview = False,
    limit: MostResults = 20,
    rules: RulesFolder = RULES,
    as_json: AsJson = False,
) -> None:
    """List runs of broadcasts; say whom one would reach; pause, resume or cancel a run.

    What a run has made is paused or ended by due work, so a process has to be running for it.
    """
    action = RunAction.PREVIEW if preview and action is RunAction.RUNS else action
    if preview and action is not RunAction.PREVIEW:
        fail(f"--preview and {action} are two things; say one")
    if action in {RunAction.RUNS, RunAction.PREVIEW}:
        if by is not None or (run is not None and broadcast is None):
            fail(f"{action} takes no {'--by' if by is not None else '--run without a broadcast'}")
    elif broadcast is None:
        fail("name the broadcast")
    elif by is None:
        fail("say who decides this: --by NAME")
    with keyed_engine(store, rules) as engine:
        if action is RunAction.RUNS:
            _runs(engine, broadcast, run, limit, as_json=as_json)
        elif action is RunAction.PREVIEW:
            _preview(engine, broadcast, sample, as_json=as_json)
        else:
            _decide(engine, action, broadcast or "", run, by or "", yes=yes, as_json=as_json)


def _runs(
    engine: Engine, broadcast: str | None, run: str | None, limit: int, *, as_json: bool
) -> None:
    if broadcast is not None and run is not None:
        found = engine.broadcasts.show(broadcast, run)
        now = engine.clock.now()
        if as_json:
            print_objects(run_object(found.run, now, found.waiting, found.ahead))
        else:
            print_lines([run_line(found.run, now, found.waiting, found.ahead)])
        return
    runs = engine.broadcasts.list(broadcast, limit=limit).runs
    if not runs and broadcast is not None:
        _check(engine, broadcast)
    _print_runs(engine, runs, as_json=as_json)


def _check(engine: Engine, broadcast: str) -> None:
    known = [r.id for r in engine.pipeline.index.book.rules if r.kind is RuleKind.BROADCAST]
    if broadcast not in known:
        raise UnknownNameError(kind="broadcast", name=broadcast, known=tuple(known))


def _print_runs(engine: Engine, runs: list[BroadcastRun], *, as_json: bool) -> None:
    now = engine.clock.now()
    if as_json:
        print_objects(*(run_object(each, now) for each in runs))
    else:
        print_lines([run_line(each, now) for each in runs] or ["There are no runs."])


def _preview(engine: Engine, broadcast: str | None, sample: int, *, as_json: bool) -> None:
    if broadcast is None:
        fail("name the broadcast")
    with progress_of_people(alone=not (as_json and sys.stdout.isatty())) as progress:
        found = engine.broadcasts.preview(broadcast, sample=sample, progress=progress)
    if as_json:
        print_objects(preview_object(found))
    else:
        print_lines(preview_lines(found))


def _decide(
    engine: Engine,
    action: RunAction,
    broadcast: str,
    run: str | None,
    by: str,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    broadcasts = engine.broadcasts
    if action is RunAction.CANCEL and not yes:
        which = run or f"the run of {broadcast}"
        if not typer.confirm(f"Cancel {which} for good?", err=True):
            fail("nothing was done", FINDINGS)
    decide = {
        RunAction.PAUSE: broadcasts.pause,
        RunAction.RESUME: broadcasts.resume,
        RunAction.CANCEL: broadcasts.cancel,
    }[action]
    _print_runs(engine, [decide(broadcast, by=by, run=run)], as_json=as_json)
