"""``whereupon import``: past messages into a store."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from whereupon.cli.exit_status import INTERRUPTED, drop_output, exits_with_status, print_to_stderr
from whereupon.cli.options import (
    RULES,
    AsJson,
    RulesFolder,
    SourceClass,
    StoreUrl,
    Streams,
    paths_of,
)
from whereupon.cli.output import output_on
from whereupon.cli.progress import progress_over
from whereupon.engine import Engine
from whereupon.errors import WhereuponError
from whereupon.messages.model import Origin, SenderClass
from whereupon.messages.streams import StreamReader
from whereupon.render.report import View
from whereupon.replay.records import Record, Summary
from whereupon.replay.stream_import import import_messages
from whereupon.replay.stream_replay import read_streams
from whereupon.rules.loading import open_rules
from whereupon.runtime.gc_pause import bulk


@exits_with_status
def import_command(
    streams: Streams,
    store: StoreUrl,
    rules: RulesFolder = RULES,
    source: SourceClass = SenderClass.SERVER,
    as_json: AsJson = False,
) -> None:
    """Import past messages into a store.

    A message triggers a rule only within the rule's max_age. No destructive action runs. Deliveries wait in
    the outbox for the host to send. A second import of the same messages changes nothing.
    """
    book = open_rules(rules)
    paths = paths_of(streams)
    view = View(quiet=True, several=len(paths) > 1)
    output = output_on(book, as_json=as_json, heading="", view=view)
    summary = Summary()
    with (
        Engine.open(store, rules=book) as engine,
        progress_over(paths, alone=not (as_json and sys.stdout.isatty())) as progress,
    ):
        reader = StreamReader(
            source=source,
            origin=Origin.IMPORT,
            arrived_at=engine.clock.now(),
            progress=progress,
        )
        emit = _ignoring_broken_pipes(output.emit)
        with _progress_in_words(summary), bulk():
            import_messages(engine, read_streams(paths, reader), emit, summary)
    output.summarize(summary.as_dict())


@contextmanager
def _progress_in_words(summary: Summary) -> Iterator[None]:
    """Say how many messages are imported if the import is interrupted, or stopped by an error."""
    try:
        yield
    except KeyboardInterrupt:
        print_to_stderr(f"interrupted: {_imported(summary)}")
        raise typer.Exit(INTERRUPTED) from None
    except (WhereuponError, OSError):
        print_to_stderr(f"stopped: {_imported(summary)}")
        raise


def _imported(summary: Summary) -> str:
    return f"{summary.messages:,} messages are imported; run it again to go on"


def _ignoring_broken_pipes(emit: Callable[[Record], None]) -> Callable[[Record], None]:
    """Emit until the reader goes away (``| head``), so that the import goes on without a reader."""

    def emit_if_read(record: Record) -> None:
        try:
            emit(record)
        except BrokenPipeError:
            drop_output()

    return emit_if_read
