"""``whereupon identity`` and ``identify``: the ids of a person, and the claim of another id."""

from contextlib import closing
from typing import Annotated

import typer

from whereupon.api.config import settings_for
from whereupon.cli.exit_status import FINDINGS, exits_with_status, fail
from whereupon.cli.options import (
    RULES,
    AsJson,
    MostResults,
    PersonId,
    RulesFolder,
    RulesIfAny,
    StoreIfAny,
    StoreUrl,
    StreamsToReplay,
)
from whereupon.cli.printing import print_lines, print_objects
from whereupon.cli.stores import existing_store, rules_for, store_to_ask, unknown_person
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
    decision_object,
    identity_objects,
    preview_objects,
    warning_object,
)
from whereupon.rules.loading import open_rules
from whereupon.rules.model import Rulebook
from whereupon.scheduling import SystemClock


@exits_with_status
def identity_command(
    person: PersonId,
    store: StoreIfAny = None,
    streams: StreamsToReplay = None,
    rules: RulesIfAny = None,
    as_json: AsJson = False,
    limit: MostResults = 100,
) -> None:
    """Show the ids of a person, the messages that claimed each anonymous id, and what the claims triggered."""
    book = rules_for(rules, store)
    with store_to_ask(store, streams or [], book) as event_store, event_store.reading() as session:
        try:
            identity = identify_person(session, person, book, IdentityPolicy(), limit)
        except UnknownNameError:
            fail(unknown_person(session, person), FINDINGS)
    if as_json:
        print_objects(*identity_objects(identity))
    else:
        print_lines(identity_lines(identity))


@exits_with_status
def identify_command(
    person: Annotated[str, typer.Argument(help="The user id.")],
    store: StoreUrl,
    anonymous: Annotated[
        str | None, typer.Option("--anonymous", metavar="ID", help="The anonymous id to claim.")
    ] = None,
    traits: Annotated[
        str | None, typer.Option(metavar="JSON", help="The person's attributes, as a JSON object.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would happen; write and send nothing.")
    ] = False,
    rules: RulesFolder = RULES,
    as_json: AsJson = False,
) -> None:
    """Identify a person; with --dry-run, show what that would claim and trigger.

    Deliveries wait in the outbox for the host to send.
    """
    attributes = _object(traits)
    book = open_rules(rules)
    with closing(existing_store(store)) as event_store:
        if not dry_run:
            engine = Engine(event_store, book)
            ingested = engine.identify(person, anonymous_id=anonymous, traits=attributes)
            _print_result(ingested, person, book, as_json=as_json)
            return
        pipeline = Pipeline(RuleIndex(book), settings_for(book))  # an engine would store broadcasts
        wire = {"userId": person, "anonymousId": anonymous, "traits": attributes}
        with event_store.session() as session:
            preview = preview_identify(session, pipeline, wire, SystemClock().now())
    _print_preview(preview, person, book, as_json=as_json)


def _object(traits: str | None) -> dict[str, object] | None:
    if traits is None:
        return None
    try:
        value = decode(traits.encode("utf-8", "surrogateescape"))
    except JsonError as error:
        fail(f"--traits is not JSON: {error}")
    if not isinstance(value, dict):
        fail('--traits must be a JSON object, such as \'{"plan": "pro"}\'')
    return {**value}


def _print_preview(preview: Preview, person: str, book: Rulebook, *, as_json: bool) -> None:
    if as_json:
        print_objects(*preview_objects(preview))
    else:
        print_lines(preview_lines(preview, person, book))


def _print_result(ingested: Ingested, person: str, book: Rulebook, *, as_json: bool) -> None:
    if as_json:
        print_objects(*map(decision_object, ingested.decisions))
        print_objects(*map(warning_object, ingested.warnings))
        return
    print_lines([f"{clean(person)} is identified."])
    print_lines(decided(decision, book) for decision in ingested.decisions)
