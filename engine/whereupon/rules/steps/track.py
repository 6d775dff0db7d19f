"""The step `track`: record an event of the person's."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field, JsonValue
from typing_extensions import override

from whereupon.errors import Diagnostic
from whereupon.messages.model import MessageType
from whereupon.rules.field_types import EventName
from whereupon.rules.rule_reader import Path, RuleReader
from whereupon.rules.steps.step_form import Step, StepForm
from whereupon.templates import Content

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker


@dataclass(frozen=True, slots=True)
class TrackEvent(Step):
    """Send a track message of the person's into the engine."""

    key = "track"

    event: str
    properties: Content

    @property
    @override
    def in_words(self) -> str:
        """``tracks`` and the event."""
        return f"tracks {self.event}"

    @property
    @override
    def messages_sent(self) -> tuple[tuple[MessageType, str], ...]:
        """The track message."""
        return ((MessageType.TRACK, self.event),)


class TrackForm(StepForm):
    """Send a track message of the person's."""

    step = TrackEvent

    track: EventName = Field(
        description="The name of an event that the person is then on record with, as if they had done it.",
        examples=["Thanked"],
    )
    properties: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="The event's properties; texts are Liquid templates.",
        examples=[{"product": "{{ properties.product }}"}],
    )

    @override
    def read_step(self, reader: RuleReader, path: Path) -> TrackEvent:
        return TrackEvent(self.track, reader.content(self.properties, (*path, "properties")))

    @override
    @classmethod
    def check(
        cls, raw: dict[str, JsonValue], path: Path, checker: "PlanChecker"
    ) -> Iterator[Diagnostic]:
        """The event, its properties, and the variables of templates."""
        if isinstance(event := raw.get("track"), str):
            yield from checker.event(event, (*path, "track"))
            yield from checker.properties(raw.get("properties"), (*path, "properties"), event)
        yield from super().check(raw, path, checker)
