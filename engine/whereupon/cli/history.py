"""``whereupon import``: history into a real store."""

import sys
from collections.abc import Callable

import typer

from whereupon.cli.exit_status import INTERRUPTED, drop_output, say, settles
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
from whereupon.replay.stream_import import import_messages
from whereupon.replay.stream_replay import Record, Summary, read_streams
from whereupon.rules.loading import open_rules
from whereupon.runtime.gc_pause import bulk


@settles
def import_command(
    streams: Streams,
    store: StoreUrl,
    rules: RulesFolder = RULES,
    source: SourceClass = SenderClass.SERVER,
    as_json: AsJson = False,
) -> None:
    """Bring history into a real store.

    Only what a rule's max_age still allows triggers, and nothing destructive runs. Deliveries wait in
    the outbox for the host to send. Running it again changes nothing: a message that is in stays one.
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
        heard = _while_heard(output.tell)
        try:
            with bulk():
                import_messages(engine, read_streams(paths, reader), heard, summary)
        except KeyboardInterrupt:
            say(f"interrupted: {summary.messages:,} messages are in; run it again to go on")
            raise typer.Exit(INTERRUPTED) from None
        except (WhereuponError, OSError):
            say(f"stopped: {summary.messages:,} messages are in; run it again to go on")
            raise
    output.summarize(summary.as_dict())


def _while_heard(tell: Callable[[Record], None]) -> Callable[[Record], None]:
    """Tell until the reader goes away (``| head``); what is still to be imported is, all the same."""

    def told(record: Record) -> None:
        try:
            tell(record)
        except BrokenPipeError:
            drop_output()

    return told
