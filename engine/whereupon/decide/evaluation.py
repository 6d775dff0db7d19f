"""A recorded message as the rules see it, and its being put to them."""

from collections.abc import Container, Mapping
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

from pydantic import JsonValue

from whereupon.conditions.values import ROOTS
from whereupon.decide.decisions import Reason
from whereupon.messages.model import Body, MessageType, SenderClass, ref_of
from whereupon.messages.times import format_local
from whereupon.records import StoredMessage


class RuleInput(NamedTuple):
    """A recorded message as the rules see it, whether it has just come in or waited for its claim.

    A scheduled broadcast's time is one too, without a type, in the schedule's timezone.
    """

    key: int
    message_id: str
    type: MessageType | None
    name: str
    timestamp: datetime
    body: Body
    target_id: str | None
    source: SenderClass
    depth: int = 0
    zone: tzinfo = UTC

    @property
    def ref(self) -> str:
        """See `ref_of`."""
        return ref_of(self.message_id, self.source)

    @property
    def data(self) -> Mapping[str, JsonValue]:
        """See `Body.data`."""
        return self.body.data

    @property
    def context(self) -> Mapping[str, JsonValue]:
        """See `Body.context`."""
        return self.body.context


def occurrence_of(stored: StoredMessage) -> RuleInput:
    """A recorded message, to be put to the rules."""
    message = stored.message
    return RuleInput(
        stored.key,
        message.message_id,
        message.type,
        message.name,
        message.timestamp,
        message.read(),
        message.target_id,
        message.source,
        message.depth,
    )


class Evaluation(NamedTuple):
    """One message put to the rules for one person.

    Attributes:
        person_key: 0 where nobody is known.
        now: when the engine does it.
        claimable_at, retroactive: see `Case`.
        reason: where everything is skipped whatever the rules say: why.
    """

    occurrence: RuleInput
    person_key: int
    now: datetime
    claimable_at: datetime
    retroactive: bool
    reason: Reason | None = None


def data_for(
    occurrence: RuleInput,
    attributes: Mapping[str, JsonValue],
    roots: Container[str] = ROOTS,
) -> dict[str, JsonValue]:
    """What conditions see of a message and a person; read only.

    Args:
        roots: what they look at; the time and the context are left out where nobody does.
    """
    data: dict[str, object] = {
        "type": occurrence.type,
        "event": occurrence.name,
        "properties": occurrence.data,
        "person": attributes,
    }
    if "context" in roots:
        data["context"] = occurrence.context
    if "timestamp" in roots:
        data["timestamp"] = format_local(occurrence.timestamp, occurrence.zone)
    return data  # type: ignore[return-value]  # mappings of JSON, never written to
