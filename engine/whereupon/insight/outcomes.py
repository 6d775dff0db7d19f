"""What became of an entry: what it sent or held back, what it waits for, how it ended; as clauses of a sentence."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from types import MappingProxyType
from typing import Final, assert_never

from pydantic import JsonValue

import whereupon.decide.consent as consent
from whereupon.decide.addresses import SUPPRESSED
from whereupon.decide.quiet_hours import QUIET
from whereupon.insight.clauses import as_clause
from whereupon.insight.conversions import converted
from whereupon.insight.passages import held_at, next_step, passage_words, standing
from whereupon.messages.metrics import Metric
from whereupon.messages.times import format_instant
from whereupon.ports import NO_CHANNEL
from whereupon.records import (
    WITHDRAWN,
    Delivery,
    DeliveryState,
    EndReason,
    Entry,
    EntryEnd,
    EntryState,
    Mark,
    MarkKind,
    OperationKind,
    latest,
)
from whereupon.rules.model import Rule
from whereupon.rules.route import base_of
from whereupon.rules.steps.run import function_of

TEMPLATE = "template: "
"""How the reason of a delivery begins whose text could not be made."""

NO_ADDRESSES: Final[Mapping[str, str]] = MappingProxyType({})
_HEADLINES = ("title", "subject", "name", "text", "body", "message")


def outcome_of(
    entry: Entry,
    deliveries: Sequence[Delivery],
    rule: Rule | None,
    addresses: Mapping[str, str] = NO_ADDRESSES,
) -> str:
    """What came of an entry, after the clause that says how it began.

    Args:
        deliveries: the deliveries that it made.
        rule: the version that the entry follows; None if it cannot be read any more.
        addresses: by idempotency key, the step that made a delivery; what is not there is told first.
    """
    parts = [*_told(entry, deliveries, rule, addresses), _stands(entry, rule)]
    nothing = deliveries and all(each.state is DeliveryState.WITHHELD for each in deliveries)
    if nothing and entry.state is EntryState.COMPLETED:
        parts[-1] += ", and nothing was sent"
    if (reached := converted(entry, deliveries)) is not None:
        parts.append(reached)
    return "; ".join(parts)


def _told(
    entry: Entry, deliveries: Sequence[Delivery], rule: Rule | None, addresses: Mapping[str, str]
) -> Iterator[str]:
    """What the entry passed and what it made, in the order in which it happened."""
    if not entry.trail:
        yield from map(delivered, deliveries)
        return
    places = {} if rule is None else rule.route.places

    def order(address: str) -> int:
        place = places.get(base_of(address))
        return -1 if place is None else place.order

    told: list[tuple[datetime, int, str | Mark]] = [
        (each.due_at, order(addresses.get(each.idempotency_key, "")), delivered(each))
        for each in deliveries
    ]
    told += [
        (mark.at, order(mark.address), mark)
        for mark in entry.trail
        if mark.kind not in _TOLD_OTHERWISE
    ]
    last: datetime | None = None
    for at, _, each in sorted(told, key=itemgetter(0, 1)):
        yield each if isinstance(each, str) else _passed(each, rule, last)
        last = None if isinstance(each, str) else at


_TOLD_OTHERWISE = frozenset(
    {MarkKind.WAITS, MarkKind.SENT, MarkKind.RAN, MarkKind.FAILED, MarkKind.CONVERTED}
)
"""Where the entry stands, its deliveries, calls included, and its conversion say the same."""


def _passed(mark: Mark, rule: Rule | None, last: datetime | None) -> str:
    """One passage, with its time unless the clause before says the same."""
    if mark.at == last:
        return f"it {passage_words(mark, rule)}"
    at = "" if mark.kind is MarkKind.LATE else f"at {format_instant(mark.at)} "
    return f"{at}the entry {passage_words(mark, rule)}"


def _stands(entry: Entry, rule: Rule | None) -> str:
    if entry.state is EntryState.ACTIVE:
        return f"{_operated(entry)}the entry {standing(entry, rule)}"
    if (paused := entry.paused) is not None and entry.due_at is not None:
        return f"the entry is paused since {format_instant(paused.at)} by {paused.by}, {_due(entry, rule)}"
    if entry.ended is None:  # of before version 0007 of the tables
        return f"the entry is {entry.state}"
    at = format_instant(entry.ended.at)
    if entry.state is EntryState.COMPLETED:
        return f"the entry was completed at {at}"
    return f"the entry {entry.state} at {at}, {ended_by(entry.ended)}"


def _due(entry: Entry, rule: Rule | None) -> str:
    """What a paused entry would do, as a clause after the pause."""
    if rule is not None and held_at(entry, rule):
        return f"while it {standing(entry, rule)}"
    due = "" if entry.due_at is None else format_instant(entry.due_at)
    then = "" if rule is None else f"; then it {next_step(rule, entry.address)}"
    return f"and was due at {due}{then}"


def _operated(entry: Entry) -> str:
    """A clause about the version that an operator moved a running entry from."""
    moved = latest(entry.operations, OperationKind.MOVED)
    if moved is None:
        return ""
    return f"the entry was moved to another version at {format_instant(moved.at)} by {moved.by}; "


def ended_by(end: EntryEnd) -> str:
    """What ended an entry early, as a clause."""
    match end.reason:
        case EndReason.EVENT:
            return f"by {end.detail}"
        case EndReason.CONDITION:
            return f"since {as_clause(end.detail or '')}"
        case EndReason.SEGMENT:
            return f"since they left the segment {end.detail}"
        case EndReason.WHO:
            return f"since who no longer held: {end.detail}"
        case EndReason.GOAL:
            return f"by reaching its goal, {end.detail}"
        case EndReason.STEP_FAILED:
            why = f": {end.detail}" if end.detail else ""
            return f"since a call was given up{why}"
        case EndReason.OPERATOR:
            return f"by {end.detail or 'an operator'}"
        case _:
            return _ENDS.get(end.reason, f"for the reason {end.reason}")


_ENDS: Mapping[str, str] = {
    EndReason.COMPLETED: "when its last step was done",
    EndReason.STEP: "by the rule's own exit step",
    EndReason.GOAL: "since they reached its goal",
    EndReason.NO_DATE: "since they have no such date as its wait goes by",
    EndReason.HOLDOUT: "since they belong to the rule's holdout",
    EndReason.MERGED: "since they became one person with somebody whose entry kept them out",
    EndReason.DELETED: "since the person was deleted",
    EndReason.RULE_GONE: "since the rule was no longer there",
    EndReason.FAILED: "since one of its steps failed",
    EndReason.CANCELLED: "since its broadcast was cancelled",
}


def delivered(delivery: Delivery) -> str:
    """What became of one delivery."""
    what = _named(delivery)
    at, tries = format_instant(delivery.due_at), delivery.attempts
    match delivery.state:
        case DeliveryState.SENT:
            done = "sent" if function_of(delivery.channel) is None else "run"
            return f"{what} was {done} at {at}{_reported(delivery)}"
        case DeliveryState.DEAD:
            return f"{what} was given up at {at}, after {_times(tries)}: {delivery.reason}"
        case DeliveryState.WITHHELD:
            return f"{what} was held back at {at}, since {why_withheld(delivery)}"
        case DeliveryState.HELD:
            return f"{what} is held, since {why_withheld(delivery)}"
        case DeliveryState.PAUSED:
            return f"{what} is paused by an operator, and was due at {at}"
        case DeliveryState.PENDING:
            return f"{what} {_waits(delivery, at)}"
        case _:
            assert_never(delivery.state)


def _waits(delivery: Delivery, at: str) -> str:
    """What a delivery waits for that is to be sent."""
    if delivery.reason == QUIET:
        return f"waits to be sent, since their quiet hours last until {at}"
    if delivery.attempts:
        tries = _times(delivery.attempts)
        return f"failed {tries}, and is tried again at {at}: {delivery.reason}"
    return f"waits to be sent, due at {at}"


def _named(delivery: Delivery) -> str:
    """The channel and what it says first, and of which version its texts are if they are live; of a call the function."""
    function = function_of(delivery.channel)
    if function is not None:
        return f"the function {function}"
    said = headline_of(delivery.content)
    what = f"{delivery.channel} “{said}”" if said else delivery.channel
    return what if delivery.texts is None else f"{what} (texts of version {delivery.texts})"


def _reported(delivery: Delivery) -> str:
    """What was reported of a delivery later, such as that it was opened."""
    said = [metric.value for metric in Metric if metric in delivery.reports]
    return f", and reported as {' and '.join(said)}" if said else ""


def _times(count: int) -> str:
    return "one try" if count == 1 else f"{count} tries"


def why_withheld(delivery: Delivery) -> str:
    """Why a delivery was not handed to its channel, as a clause."""
    reason = delivery.reason or "nobody said why"
    if reason == consent.TOPIC:
        return f"they have opted out of the topic {delivery.topic}"
    if reason.startswith(_WITHDRAWN_BY):
        return f"its entry ended before it was sent: {_BY.get(reason.removeprefix(_WITHDRAWN_BY), reason)}"
    if reason == NO_CHANNEL and function_of(delivery.channel) is not None:
        return "no process has it"
    if reason.startswith(TEMPLATE):
        return f"its text could not be made: {reason.removeprefix(TEMPLATE)}"
    return _WITHHELD.get(reason, reason)


_WITHDRAWN_BY = f"{WITHDRAWN}: "
_BY: Mapping[str, str] = {
    EndReason.EVENT: "an event of the rule's exit happened",
    EndReason.CONDITION: "a condition of the rule's exit held",
    EndReason.SEGMENT: "they left a segment",
    EndReason.WHO: "who no longer held",
    EndReason.GOAL: "they reached the rule's goal",
}
"""What withdraws a delivery, by the reason for which its entry ended."""

_WITHHELD: Mapping[str, str] = {
    consent.UNSUBSCRIBED: "they are unsubscribed",
    SUPPRESSED: "their address is suppressed on this channel: it bounced, they complained, or an operator did it",
    consent.ERASED: "the person was erased",
    EndReason.MERGED: "they became one person with somebody whose entry kept them out",
    WITHDRAWN: "its entry, or its broadcast's run, ended before it was sent",
    NO_CHANNEL: "no process has a channel of that name",
    "cap": "they had been sent as much as the cap allows",
}


def headline_of(content: Mapping[str, JsonValue]) -> str:
    """What a delivery says first: its title or subject, otherwise its first text."""
    for name in (*_HEADLINES, *content):
        value = content.get(name)
        if isinstance(value, str) and value.strip():
            return value
    return ""
