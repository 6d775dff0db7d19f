"""``whereupon replay``: what these rules would have made of these messages."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from whereupon.cli.exit_status import fail, settles
from whereupon.cli.options import (
    RULES,
    AsJson,
    Quiet,
    RulesFolder,
    Skips,
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
from whereupon.render.choices import Skipping
from whereupon.render.report import View
from whereupon.replay.stream_replay import read_streams, replay, throwaway_store
from whereupon.rules.loading import open_rules
from whereupon.rules.model import Rulebook
from whereupon.rules.spelling import nearest
from whereupon.runtime.gc_pause import bulk


def as_until(text: str) -> datetime | timedelta:
    """Read ``--until``: an instant, or ``+8d`` after the last message."""
    until = parse_duration(text[1:]) if text.startswith("+") else parse_instant(text)
    if until is None:
        message = f"{text!r} is neither an instant (2026-03-12T19:00:00Z) nor a span (+8d)"
        raise typer.BadParameter(message)
    return until


@settles
def replay_command(  # noqa: PLR0913, PLR0917 - one for each option
    streams: Streams,
    rules: RulesFolder = RULES,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            help="How far time goes on after the messages: 2026-03-12T19:00:00Z, or +8d after the "
            "last one. By default what waits is run to its end.",
        ),
    ] = None,
    as_json: AsJson = False,
    source: SourceClass = SenderClass.SERVER,
    skips: Skips = Skipping.BRIEF,
    quiet: Quiet = False,
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            metavar="URL",
            help="Replay into this store and keep it; by default into one that is thrown away. "
            "Nothing is sent either way.",
        ),
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE", help="Tell of this rule only; give it again for more. All of them run."
        ),
    ] = None,
    person: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PERSON",
            help="Tell of this person only, by their first user id; give it again for more.",
        ),
    ] = None,
) -> None:
    """Show what the rules would have made of streams of messages: who, what, when, and why not.

    The real engine runs on the messages' own time. Nothing leaves the process: deliveries are shown
    instead of sent, and actions such as Delete Person act on the throwaway store only.
    """
    until_when = as_until(until) if until is not None else None
    book = open_rules(rules)
    paths = paths_of(streams)
    heading = (
        f"Replay of {', '.join(path.name for path in paths)} against {len(book.rules)} rules of "
        f"{rules}. Nothing is sent. Times are UTC."
    )
    view = View(
        skips,
        quiet,
        several=len(paths) > 1,
        rules=_known(rule or (), book, rules),
        people=frozenset(person or ()),
    )
    output = output_on(book, as_json=as_json, heading=heading, view=view)
    alone = not sys.stdout.isatty() or quiet
    with progress_over(paths, alone=alone) as progress, _store(store) as url:
        reader = StreamReader(source=source, progress=progress)
        with bulk():
            summary = replay(
                read_streams(paths, reader),
                lambda clock: Engine.open(url, rules=book, clock=clock),
                output.tell,
                until=until_when,
            )
    output.summarize(summary.as_dict())


def _known(names: Iterable[str], book: Rulebook, folder: Path) -> frozenset[str]:
    """The rules of these ids, all of which there must be."""
    for name in names:
        if book.rule(name) is None:
            hint = nearest(name, [each.id for each in book.rules])
            fail(f"there is no rule called {name!r} in {folder}{hint}")
    return frozenset(names)


@contextmanager
def _store(url: str | None) -> Iterator[str]:
    if url is not None:
        yield url
        return
    with throwaway_store() as throwaway:
        yield throwaway
