"""What opens a rule where no message does: a moment, as the message that conditions and templates would read."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue

from whereupon.decide.decisions import Reason
from whereupon.decide.evaluation import Evaluation
from whereupon.matching import TimedSubject
from whereupon.messages.model import SenderClass
from whereupon.messages.times import format_instant
from whereupon.records import NOTHING, Person


def opening(
    subject: TimedSubject,
    person: Person,
    at: datetime,
    now: datetime,
    *,
    value: str | None = None,
    properties: Mapping[str, JsonValue] = NOTHING,
    reason: Reason | None = None,
) -> Evaluation:
    """A moment of a person's, to be evaluated against rules.

    What led to it, an attribute or an event, may come from a browser. So it counts as a client's.

    Args:
        at: the moment.
        now: the clock's time.
        value: what it is the moment of, by which a second entry is refused. Its id is ``SUBJECT@VALUE``;
            the moment itself by default.
        properties: what templates read of it.
        reason: why every rule is skipped, if every rule is.
    """
    return Evaluation(
        0,
        f"{subject.name}@{format_instant(at) if value is None else value}",
        None,
        "",
        at,
        b"",
        None,
        SenderClass.CLIENT,
        0,
        person.key,
        now,
        reason=reason,
        _properties=properties,
        _context=NOTHING,
    )
