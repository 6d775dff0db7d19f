"""``whereupon explain`` and ``deliveries``: questions to a store."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from typing import Annotated

import typer

from whereupon.cli.exit_status import FINDINGS, exits_with_status, fail
from whereupon.cli.options import (
    RULES,
    AsJson,
    MostResults,
    PersonId,
    RulesIfAny,
    StoreIfAny,
    StoreUrl,
    StreamsToReplay,
)
from whereupon.cli.printing import print_lines, print_objects
from whereupon.cli.stores import existing_store, rules_for, store_to_ask, unknown_person
from whereupon.errors import UnknownNameError
from whereupon.insight import (
    Explanation,
    NextMoment,
    explain_rule,
    known_person,
    next_moments,
)
from whereupon.messages.times import format_instant
from whereupon.operations.pruner import kept_since
from whereupon.ports import Session
from whereupon.records import DeliveryState, RetainedKind
from whereupon.render.formatting import clean
from whereupon.render.outbox import outbox_line
from whereupon.render.records import explanation_object, outbox_object
from whereupon.rules.model import OnDate, OnQuiet, Rule, Rulebook, RuleKind
from whereupon.rules.spelling import nearest
from whereupon.scheduling import SystemClock


@exits_with_status
def explain_command(
    person: PersonId,
    rule: Annotated[str, typer.Argument(help="The rule's id: its file's name without .yaml.")],
    store: StoreIfAny = None,
    streams: StreamsToReplay = None,
    rules: RulesIfAny = None,
    as_json: AsJson = False,
    limit: MostResults = 20,
) -> None:
    """Explain why a person did or did not enter a rule, and what followed; the newest message comes first.

    For a broadcast, it says whether the person was in the audience, and why not.
    """
    book = rules_for(rules, store)
    known = book.rule(rule)
    if known is None and book.rules:
        hint = nearest(rule, [each.id for each in book.rules])
        fail(f"there is no rule called {rule!r} in {rules or RULES}{hint}")
    with store_to_ask(store, streams or [], book) as event_store, event_store.reading() as session:
        try:
            explanations = explain_rule(session, person, rule, book, limit)
        except UnknownNameError:
            fail(unknown_person(session, person), FINDINGS)
        moments = _moments(session, person, rule, book)
        since = {
            kind: kept_since(session, kind) for kind in (RetainedKind.SKIPS, RetainedKind.ENTRIES)
        }
    _print_explanations(explanations, person, known or rule, as_json=as_json)
    if not as_json:
        for moment in moments:
            sys.stdout.write(f"By time: {clean(moment.sentence)}.\n")
        _print_retention(since)


def _moments(session: Session, person: str, rule: str, book: Rulebook) -> list[NextMoment]:
    """When the rule's trigger by time comes for the person next."""
    known = known_person(session, person)
    every = next_moments(session, known, book, SystemClock().now())
    return [each for each in every if each.rule == rule]


def _print_explanations(
    explanations: Sequence[Explanation], person: str, rule: Rule | str, *, as_json: bool
) -> None:
    if as_json:
        print_objects(*map(explanation_object, explanations))
        return
    for explanation in explanations:
        changed = " The rule has been changed since." if explanation.reworded else ""
        sys.stdout.write(f"{clean(explanation.sentence)}{changed}\n")
    if not explanations:
        name = clean(rule if isinstance(rule, str) else rule.id)
        why = f"no message of theirs named {name}"
        if isinstance(rule, Rule) and isinstance(rule.triggers[0], OnDate | OnQuiet):
            why = f"time has not opened {name} for them yet"
        elif isinstance(rule, Rule) and rule.kind is RuleKind.BROADCAST:
            why = f"{name} has not started yet"
        sys.stdout.write(f"{clean(person)} is known, but {why}.\n")


def _print_retention(since: Mapping[RetainedKind, datetime | None]) -> None:
    """Say which records are no longer stored, because they are older than the settings keep them."""
    for kind, instant in since.items():
        if instant is not None:
            what = "why a person did not enter" if kind is RetainedKind.SKIPS else "ended entries"
            sys.stdout.write(
                f"No longer stored (keep: {kind} in the settings): "
                f"{what} before {format_instant(instant)}.\n"
            )


@exits_with_status
def deliveries_command(
    store: StoreUrl,
    state: Annotated[
        list[DeliveryState] | None,
        typer.Option(help="Only deliveries in this state; repeat it for more states."),
    ] = None,
    as_json: AsJson = False,
    limit: MostResults = 100,
) -> None:
    """List deliveries of the outbox, newest first: waiting, sent, held back, or given up (dead)."""
    with closing(existing_store(store)) as event_store, event_store.reading() as session:
        deliveries = session.deliveries(state or tuple(DeliveryState), limit)
    if as_json:
        print_objects(*map(outbox_object, deliveries))
    else:
        print_lines(
            map(outbox_line, deliveries) if deliveries else ["There are no such deliveries."]
        )
