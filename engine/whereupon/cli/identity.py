"""``whereupon identity`` and ``identify``: who somebody is, and who they turn out to be."""

import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from whereupon.api.config import settings_for
from whereupon.cli.exit_status import FINDINGS, fail, settles
from whereupon.cli.options import (
    LARGEST,
    RULES,
    AsJson,
    RulesFolder,
    RulesIfAny,
    StoreUrl,
    readable,
)
from whereupon.cli.questions import existing_store, nobody, rules_asked, store_asked
from whereupon.engine import Engine
from whereupon.errors import UnknownNameError
from whereupon.identity.algebra import IdentityPolicy
from whereupon.insight.identify_preview import Preview, preview_identify
from whereupon.insight.person_report import identify_person
from whereupon.matching import RuleIndex
from whereupon.messages.codec import JsonError, decode
from whereupon.pipeline.batches import Pipeline
from whereupon.pipeline.ingestion import Ingested
from whereupon.render.formatting import clean
from whereupon.render.identity import decided, identity_lines, preview_lines
from whereupon.render.records import (
    JsonLines,
    decision_object,
    identity_objects,
    preview_objects,
    warning_object,
)
from whereupon.rules.loading import open_rules
from whereupon.rules.model import Rulebook
from whereupon.scheduling import SystemClock


@settles
def identity_command(
    person: Annotated[str, typer.Argument(help="One of the person's user ids.")],
    store: Annotated[
        str | None, typer.Option("--store", metavar="URL", help="Ask this event store.")
    ] = None,
    streams: Annotated[
        list[Path] | None,
        typer.Option(
            "--stream",
            metavar="STREAM",
            callback=readable,
            help="Replay this stream first, and ask about that; give it again for more streams.",
        ),
    ] = None,
    rules: RulesIfAny = None,
    as_json: AsJson = False,
    limit: Annotated[
        int,
        typer.Option(min=1, max=LARGEST, help="How many of the messages claimed, newest first."),
    ] = 100,
) -> None:
    """Say who somebody is: their ids, who claimed which device by which message, what it brought."""
    book = rules_asked(rules, store)
    with store_asked(store, streams or [], book) as asked, asked.reading() as session:
        try:
            identity = identify_person(session, person, book, IdentityPolicy(), limit)
        except UnknownNameError:
            fail(nobody(session, person), FINDINGS)
    if as_json:
        out = JsonLines(sys.stdout.buffer)
        for each in identity_objects(identity):
            out.write(each)
        return
    for line in identity_lines(identity):
        sys.stdout.write(f"{line}\n")


@settles
def identify_command(
    person: Annotated[str, typer.Argument(help="The user id.")],
    store: StoreUrl,
    anonymous: Annotated[
        str | None, typer.Option("--anonymous", metavar="ID", help="The anonymous id to claim.")
    ] = None,
    traits: Annotated[
        str | None, typer.Option(metavar="JSON", help="What to say of them: a JSON object.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would happen; write and send nothing.")
    ] = False,
    rules: RulesFolder = RULES,
    as_json: AsJson = False,
) -> None:
    """Identify somebody; with --dry-run, say what that would claim, and what would then trigger.

    Deliveries wait in the outbox for the host to send.
    """
    said = _object(traits)
    book = open_rules(rules)
    with closing(existing_store(store)) as kept:
        if not dry_run:
            ingested = Engine(kept, book).identify(person, anonymous_id=anonymous, traits=said)
            _show_done(ingested, person, book, as_json=as_json)
            return
        pipeline = Pipeline(RuleIndex(book), settings_for(book))  # an engine would note broadcasts
        wire = {"userId": person, "anonymousId": anonymous, "traits": said}
        with kept.session() as session:
            preview = preview_identify(session, pipeline, wire, SystemClock().now())
    _show_preview(preview, person, book, as_json=as_json)


def _object(traits: str | None) -> dict[str, object] | None:
    if traits is None:
        return None
    try:
        value = decode(traits.encode("utf-8", "surrogateescape"))
    except JsonError as error:
        fail(f"--traits is no JSON: {error}")
    if not isinstance(value, dict):
        fail('--traits is a JSON object, such as \'{"plan": "pro"}\'')
    return {**value}


def _show_preview(preview: Preview, person: str, book: Rulebook, *, as_json: bool) -> None:
    if as_json:
        out = JsonLines(sys.stdout.buffer)
        for each in preview_objects(preview):
            out.write(each)
        return
    for line in preview_lines(preview, person, book):
        sys.stdout.write(f"{line}\n")


def _show_done(ingested: Ingested, person: str, book: Rulebook, *, as_json: bool) -> None:
    if as_json:
        out = JsonLines(sys.stdout.buffer)
        for decision in ingested.decisions:
            out.write(decision_object(decision))
        for warning in ingested.warnings:
            out.write(warning_object(warning))
        return
    sys.stdout.write(f"{clean(person)} is identified.\n")
    for decision in ingested.decisions:
        sys.stdout.write(f"{decided(decision, book)}\n")
