"""The step `track`: record an event of the person's."""

from dataclasses import dataclass

from pydantic import Field, JsonValue
from typing_extensions import override

from whereupon.messages.model import MessageType
from whereupon.rules.field_types import EventName
from whereupon.rules.rule_reader import Path, RuleReader
from whereupon.rules.steps.step_form import Step, StepForm
from whereupon.templates import Content


@dataclass(frozen=True, slots=True)
class TrackEvent(Step):
    """Send a track message of the person's into the engine."""

    key = "track"

    event: str
    properties: Content

    @property
    @override
    def in_words(self) -> str:
        return f"tracks {self.event}"

    @property
    @override
    def messages_sent(self) -> tuple[tuple[MessageType, str], ...]:
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
    def read(self, reader: RuleReader, path: Path) -> TrackEvent:
        return TrackEvent(self.track, reader.content(self.properties, (*path, "properties")))
