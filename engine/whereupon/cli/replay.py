"""``whereupon replay``: what the rules would have done with past messages."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from whereupon.cli.exit_status import exits_with_status, fail
from whereupon.cli.options import (
    RULES,
    AsJson,
    Quiet,
    RulesFolder,
    SkipsShown,
    SourceClass,
    Streams,
    paths_of,
)
from whereupon.cli.output import output_on
from whereupon.cli.progress import progress_over
from whereupon.engine import Engine
from whereupon.messages.model import SenderClass
from whereupon.messages.streams import StreamReader
from whereupon.messages.times import parse_duration, parse_instant
from whereupon.render.choices import SkipDetail
from whereupon.render.report import View
from whereupon.replay.stream_replay import read_streams, replay, temporary_store
from whereupon.rules.loading import open_rules
from whereupon.rules.model import Rulebook
from whereupon.rules.spelling import nearest
from whereupon.runtime.gc_pause import bulk

Until: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="WHEN",
        help="The end of the replay: 2026-03-12T19:00:00Z, or +8d after the last message. By default, "
        "all waits are run to their end.",
    ),
]
ReplayStore: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="Replay into this store and keep it; by default into a temporary store. Nothing is sent "
        "in either case.",
    ),
]
RuleIds: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--rule", metavar="RULE", help="Show only this rule; repeat it for more. All rules run."
    ),
]
People: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--person",
        metavar="PERSON",
        help="Show only this person, by their first user id; repeat it for more.",
    ),
]


def as_until(text: str) -> datetime | timedelta:
    """Read ``--until``: an instant, or ``+8d`` after the last message."""
    until = parse_duration(text[1:]) if text.startswith("+") else parse_instant(text)
    if until is None:
        message = f"{text!r} is neither an instant (2026-03-12T19:00:00Z) nor a span (+8d)"
        raise typer.BadParameter(message)
    return until


@exits_with_status
def replay_command(  # noqa: PLR0913, PLR0917 - one for each option
    streams: Streams,
    rules: RulesFolder = RULES,
    until: Until = None,
    as_json: AsJson = False,
    source: SourceClass = SenderClass.SERVER,
    skips: SkipsShown = SkipDetail.BRIEF,
    quiet: Quiet = False,
    store: ReplayStore = None,
    rule: RuleIds = None,
    person: People = None,
) -> None:
    """Replay streams of messages: show who would have entered which rule, when, and why not.

    The real engine runs, with the messages' own times as its clock. Nothing leaves the process: deliveries
    are shown instead of sent, and actions such as Delete Person change only the store of the replay.
    """
    until_when = as_until(until) if until is not None else None
    book = open_rules(rules)
    paths = paths_of(streams)
    names = ", ".join(path.name for path in paths)
    against = f"Replay of {names} against {len(book.rules)} rules of {rules}."
    view = View(
        skips,
        quiet,
        several=len(paths) > 1,
        rules=_checked_ids(rule or (), book, rules),
        people=frozenset(person or ()),
    )
    output = output_on(
        book, as_json=as_json, heading=f"{against} Nothing is sent. Times are UTC.", view=view
    )
    alone = not sys.stdout.isatty() or quiet
    with progress_over(paths, alone=alone) as progress, _store_url(store) as url:
        reader = StreamReader(source=source, progress=progress)
        with bulk():
            summary = replay(
                read_streams(paths, reader),
                lambda clock: Engine.open(url, rules=book, clock=clock),
                output.emit,
                until=until_when,
            )
    output.summarize(summary.as_dict())


def _checked_ids(names: Iterable[str], book: Rulebook, folder: Path) -> frozenset[str]:
    """The ids of rules; the command fails if there is no rule with one of them."""
    for name in names:
        if book.rule(name) is None:
            hint = nearest(name, [each.id for each in book.rules])
            fail(f"there is no rule called {name!r} in {folder}{hint}")
    return frozenset(names)


@contextmanager
def _store_url(url: str | None) -> Iterator[str]:
    if url is not None:
        yield url
        return
    with temporary_store() as temporary:
        yield temporary
