"""The records of a replay or an import, and their counts."""

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import TypeAlias

from whereupon.decide import BatchResult, Converted, Emitted, Ended
from whereupon.decide.decisions import Decision, Outcome
from whereupon.insight.identify_preview import WaitingEntry
from whereupon.messages.streams import BadLine
from whereupon.records import Delivery, DeliveryState, Request

_ENTERED = Outcome.ENTERED  # looked up slowly, as of every enumeration
_WITHHELD, _PENDING = DeliveryState.WITHHELD, DeliveryState.PENDING

Record: TypeAlias = Emitted | BadLine | WaitingEntry
"""A record of a replay or an import."""


@dataclass(slots=True)
class Summary:
    """The counts of a replay or an import.

    Attributes:
        persons: known persons at the end.
        converted: entries whose person reached the goal, those of holdouts included.
        exited: entries that ended before their last step.
        withheld: withheld deliveries, which do not count as deliveries.
        waiting: entries that wait at the end.
        received: deliveries of each person, by the first user id at that time.
    """

    messages: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    persons: int = 0
    decisions: int = 0
    entered: int = 0
    deliveries: int = 0
    requests: int = 0
    converted: int = 0
    exited: int = 0
    withheld: int = 0
    waiting: int = 0
    received: Counter[str] = field(default_factory=Counter)

    def count_messages(self, result: BatchResult) -> None:
        """Count the messages of a batch; one that was set aside after a failure counts as rejected."""
        self.accepted += result.accepted
        self.duplicates += len(result.duplicates)
        self.rejected += len(result.set_aside)

    def count(self, record: Record) -> None:
        """Count one record; what entries pass is not counted."""
        if isinstance(record, Decision):  # as most are
            self.decisions += 1
            self.entered += record.outcome is _ENTERED
            return
        match record:
            case BadLine():
                self.rejected += 1
                self.messages += 1
            case Delivery() if record.state is _WITHHELD:
                self.withheld += 1
            case Delivery() if record.state is _PENDING:
                self.deliveries += 1
                self.received[record.person] += 1
            case Request():
                self.requests += 1
            case Ended() | Converted():
                self.exited += isinstance(record, Ended)
                self.converted += isinstance(record, Converted)
            case WaitingEntry():
                self.waiting += 1

    def as_dict(self) -> dict[str, int]:
        """The counts by name, in the order of the JSON contract; the figures per person are last."""
        counts = {each.name: getattr(self, each.name) for each in fields(self)}
        del counts["received"]
        each = sorted(self.received.values()) or [0]
        return {
            **counts,
            "most_per_person": each[-1],
            "median_per_person": each[(len(each) - 1) // 2],
        }
