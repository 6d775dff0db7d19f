"""Paragraphs of a timeline. The records of a paragraph have the same cause."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from rich.text import Text

from whereupon.decide.decisions import Decision
from whereupon.records import Delivery
from whereupon.render.formatting import listed
from whereupon.render.phrases import Phrase, delivered

_SHOWN_PEOPLE = 8
_SHOWN_DELIVERIES = 3

Cause: TypeAlias = tuple[object, ...]


@dataclass(slots=True)
class Paragraph:
    """A title with its time, and the phrases under it.

    Attributes:
        cause: identifies the common cause of the records.
        at: None if the time is not known.
        messages: the ids of the messages of its records.
        skips: its decisions while all of them are skips, else None.
    """

    cause: Cause
    at: datetime | None
    title: Text
    messages: set[str] = field(default_factory=set)
    phrases: list[Phrase] = field(default_factory=list)
    skips: list[Decision] | None = field(default_factory=list)

    def add(self, phrase: Phrase, *, message_id: str, skip: Decision | None = None) -> None:
        """Add a phrase."""
        self.messages.add(message_id)
        self.phrases.append(phrase)
        if skip is None:
            self.skips = None
        elif self.skips is not None:
            self.skips.append(skip)

    def lines(self) -> list[Phrase]:
        """The phrases under the title."""
        return self.phrases

    def owns(self, delivery: Delivery) -> bool:
        """Whether the delivery was made in this paragraph."""
        return self.at == delivery.due_at and delivery.message_id in self.messages


@dataclass(slots=True)
class BroadcastParagraph(Paragraph):
    """The run of a broadcast: a summary of its audience and its deliveries."""

    rule: str = ""
    people: list[str] = field(default_factory=list)
    admitted: int = 0
    samples: list[Phrase] = field(default_factory=list)
    deliveries: int = 0
    exits: int = 0
    arms: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add_person(self, decision: Decision) -> None:
        """Add a person of the audience."""
        self.messages.add(decision.message_id)
        self.skips = None
        self.admitted += 1
        if len(self.people) < _SHOWN_PEOPLE:
            self.people.append(decision.person or "")

    def deliver(self, delivery: Delivery) -> None:
        """Add a delivery."""
        self.deliveries += 1
        if len(self.samples) < _SHOWN_DELIVERIES:
            self.samples.append(delivered(delivery))

    def owns(self, delivery: Delivery) -> bool:
        """Whether the delivery belongs to this broadcast; a campaign may have the same trigger."""
        return delivery.rule == self.rule and Paragraph.owns(self, delivery)

    def lines(self) -> list[Phrase]:
        """The audience, some of the deliveries, and the number of other deliveries and exits."""
        audience = listed(self.people, self.admitted - len(self.people))
        lines = [*self.phrases, *self.samples]
        if self.admitted:
            lines.insert(0, Phrase("✓", Text(f"goes to {audience}"), "green"))
        if (more := self.deliveries - len(self.samples)) > 0:
            lines.append(Phrase("→", Text(f"and {more:,} more like it"), "cyan"))
        for (step, arm), number in sorted(self.arms.items()):
            lines.append(Phrase("◇", Text(f"{number:,} take the arm {arm} of step {step}"), "blue"))
        if self.exits:
            lines.append(Phrase("←", Text(f"{self.exits:,} of them leave early"), "magenta"))
        return lines
