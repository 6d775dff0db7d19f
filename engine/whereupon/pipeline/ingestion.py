"""From what a sender hands over to messages and rejections, and to the answer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from whereupon.decide import BatchResult, Notice
from whereupon.decide.decisions import Decision
from whereupon.errors import MessageRejectedError
from whereupon.messages.arrival import Arrival, Validated
from whereupon.messages.batch_items import open_runs
from whereupon.messages.model import Message, Origin, SenderClass
from whereupon.messages.runs import read_run
from whereupon.messages.structs import Frozen, Unfrozen, field
from whereupon.messages.wire import parse_message
from whereupon.records import Request, SetAside

WireMessage: TypeAlias = Mapping[str, object] | bytes | str
"""A message, or a `batch` body of messages, as a mapping of JSON values or as JSON text."""

POISON = "poison"
"""The code of a good message on which the engine itself fails."""


_SOURCES = {each.value: each for each in SenderClass}


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that was not accepted: its place in the batch (from 0), a stable code, a sentence."""

    index: int
    code: str
    message: str
    field: str = "message"


class Ingested(Frozen, frozen=True):
    """What became of a batch.

    Attributes:
        accepted: how many messages were new and are recorded now.
        duplicates: how many had been recorded before, by their message id.
        rejected: the messages that cannot be accepted; the others went in.
        decisions, requests, warnings: what the accepted messages led to at once. There is a decision for each message
            and each rule that names it; a decision that costs something is made when it is read.
    """

    accepted: int
    duplicates: int
    rejected: list[Rejected] = field(default_factory=list)
    decisions: Sequence[Decision] = ()
    requests: list[Request] = field(default_factory=list)
    warnings: list[Notice] = field(default_factory=list)


class Reading(Unfrozen, eq=True):
    """A batch that was read: the messages that can be accepted, and those that cannot."""

    messages: list[Message] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


def read_batch(
    batch: Iterable[object],
    *,
    received_at: datetime,
    source: SenderClass,
    origin: Origin,
    new_id: Callable[[], str],
    valid: Validated | None = None,
) -> Reading:
    """Read the host's wire-form messages, as values or as their JSON text (see `open_all`).

    Args:
        valid: see `Arrival`; of earlier batches.
    """
    arrival = Arrival(received_at, source, new_id, origin, valid=valid or Validated())
    if isinstance(batch, dict) and "batch" not in batch:
        return _read_one(batch, arrival)
    reading, first = Reading(), 0
    for run in open_runs(batch):
        messages, rejections = read_run(run, arrival)
        reading.messages += messages
        reading.rejected += [
            Rejected(first + place, error.code, error.reason, error.field)
            for place, error in rejections.items()
        ]
        first += len(messages) + len(rejections)
    return reading


def _read_one(value: object, arrival: Arrival) -> Reading:
    """Read one message, given as a value; no limit of batches is below that of a message."""
    try:
        return Reading([parse_message(value, arrival)])
    except MessageRejectedError as error:
        return Reading([], [Rejected(0, error.code, error.reason, error.field)])


def answer(result: BatchResult, reading: Reading) -> Ingested:
    """The answer to the sender."""
    emitted, rejected = result.emitted, reading.rejected
    kinds = {*map(type, emitted)}
    if result.set_aside:
        rejected = sorted([*rejected, *_poisonous(result, reading)], key=lambda each: each.index)
    return Ingested(
        accepted=result.accepted,
        duplicates=len(result.duplicates),
        rejected=rejected,
        decisions=result.decisions,
        requests=[each for each in emitted if type(each) is Request] if Request in kinds else [],
        warnings=[*_notices(emitted), *result.alike] if Notice in kinds else [*result.alike],
    )


def _notices(emitted: Iterable[object]) -> Iterable[Notice]:
    return (each for each in emitted if type(each) is Notice)


def _poisonous(result: BatchResult, reading: Reading) -> Iterable[Rejected]:
    """The messages on which the engine failed, by their places in the sender's batch."""
    refused = {each.index for each in reading.rejected}
    count = len(reading.messages) + len(refused)
    places = [place for place in range(count) if place not in refused]
    for place, aside in result.set_aside.items():
        reason = f"the engine failed on it, and has set it aside: {aside.shown}"
        yield Rejected(places[place], POISON, reason)


def message_of(aside: SetAside) -> Message:
    """A message that was set aside, read again."""
    source, origin = SenderClass(aside.source), Origin(aside.origin)
    arrival = Arrival(aside.received_at, source, lambda: aside.message_id, origin)
    return parse_message(aside.body, arrival).changed(message_id=aside.message_id)


def refuse(rejected: Sequence[Rejected]) -> None:
    """Raise what is wrong with the only message of a batch, if anything is."""
    if rejected:
        fault = rejected[0]
        raise MessageRejectedError(code=fault.code, field=fault.field, reason=fault.message)


def as_source(source: str) -> SenderClass:
    """The class of sender of that name; raises ValueError with the known names."""
    try:
        return _SOURCES[source]
    except KeyError:
        message = f"there is no source {source!r}; there are: {', '.join(SenderClass)}"
        raise ValueError(message) from None
