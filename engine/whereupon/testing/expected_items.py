"""The items of `expect` as they are written: one form for each kind."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from whereupon.rules.field_types import Name
from whereupon.rules.form import Form, IfMissing
from whereupon.testing.item_fields import (
    Label,
    MaybeCount,
    MaybeRule,
    Objects,
    Offset,
    Recipient,
    SkipReason,
)


class ExpectedItem(Form):
    """What every expectation may say: when it happens, and how often."""

    at: Offset = Field(default=None, description="When, from the test's start.", examples=["+10m"])
    count: MaybeCount = Field(
        default=None,
        description="How many of these there are, exactly; 0 for none. Without it there is one.",
        examples=[3],
    )


class _OfARule(ExpectedItem):
    rule: MaybeRule = Field(
        default=None,
        description="The rule that does it, which is run, too; without it the rule under test.",
        examples=["example"],
    )


class EnteredItem(_OfARule):
    """A person enters the rule."""

    entered: Name = Field(
        description="The user id of the person who enters the rule.", examples=["ada"]
    )
    retroactive: bool | None = Field(
        default=None,
        description="Whether the person did it before they were known.",
        examples=[True],
    )


class SkippedItem(_OfARule):
    """A person does not enter, or is not sent something; null if the person is not known."""

    skipped: Name | None = Field(
        description="The user id of the person who does not enter; null for an anonymous visitor.",
        examples=["ada"],
    )
    reason: Annotated[
        SkipReason, IfMissing("add reason: with why they are skipped, such as reason: who")
    ] = Field(description="Why not, by the reason's word.", examples=["who"])
    event: Name | None = Field(
        default=None, description="The event by which they do not enter.", examples=["purchase"]
    )
    step: Label | None = Field(
        default=None,
        description="The address of the step that is left out, with the reason step-if.",
        examples=["0"],
    )


class DeliveryItem(_OfARule):
    """A delivery reaches the outbox; every key beside these is content."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue] = Field(init=False)

    delivery: Name = Field(description="The channel.", examples=["push"])
    to: Recipient = Field(description="The user id of the person who gets it.", examples=["ada"])
    at: Offset = Field(
        default=None, description="When it is due, from the test's start.", examples=["+2h10m"]
    )


class WithheldItem(_OfARule):
    """A delivery is withheld."""

    withheld: Name = Field(description="The channel.", examples=["push"])
    to: Recipient = Field(
        description="The user id of the person who would have got it.", examples=["ada"]
    )
    reason: Name | None = Field(
        default=None, description="Why it is held back.", examples=["unsubscribed"]
    )
    at: Offset = Field(
        default=None, description="When it was due, from the test's start.", examples=["+2h"]
    )


class RequestItem(ExpectedItem):
    """An action is asked for."""

    request: Name = Field(description="The action that is asked for.", examples=["Delete Person"])
    person: Name | None = Field(
        default=None, description="The user id of the person it is about.", examples=["ada"]
    )
    outcome: Annotated[
        Literal["ran", "held", "refused", "approved", "cancelled", "expired"],
        IfMissing("add outcome: with ran, held, refused, approved, cancelled or expired"),
    ] = Field(description="What becomes of the request.", examples=["held"])
    reason: Name | None = Field(
        default=None, description="Why it did not run, by the reason's word.", examples=["source"]
    )
    at: Offset = Field(
        default=None, description="When it was decided, from the test's start.", examples=["+1h"]
    )


class TrackedItem(ExpectedItem):
    """A step sends an event into the engine."""

    tracked: Name = Field(
        description="The event that a `track` step sends.", examples=["Credit Granted"]
    )
    user: Annotated[Name, IfMissing("add user: with the person's user id")] = Field(
        description="The user id of the person whose event it is.", examples=["ada"]
    )
    properties: Objects = Field(
        default_factory=dict,
        description="Properties that it has; others are not looked at.",
        examples=[{"points": 10}],
    )


class ExitedItem(_OfARule):
    """A person leaves the rule before its last step."""

    exited: Name = Field(
        description="The user id of the person who leaves the rule before its last step.",
        examples=["ada"],
    )
    by: Name | None = Field(
        default=None,
        description=(
            "What ends it: an event, a segment, a condition in words, `exit` or the address of the "
            "step, or the reason's word."
        ),
        examples=["refund"],
    )


class ConvertedItem(_OfARule):
    """A person reaches the rule's goal."""

    converted: Name = Field(
        description="The user id of the person who reaches the goal.", examples=["ada"]
    )
    by: Name | None = Field(
        default=None, description="The event that is the goal.", examples=["Order Completed"]
    )
    arm: Label | None = Field(
        default=None,
        description="An arm of a split that the person's entry has taken.",
        examples=["a"],
    )


class RanItem(_OfARule):
    """A step calls a function of the host's."""

    ran: Name = Field(description="The function that a `run` step calls.", examples=["score-lead"])
    user: Annotated[Name, IfMissing("add user: with the person's user id")] = Field(
        description="The user id of the person whom it is called for.", examples=["ada"]
    )


class ArmItem(_OfARule):
    """A person takes an arm of a split, a branch or a wait."""

    arm: Label = Field(
        description="The arm's label: as a split names it; 0, 1 and so on, or else, of a branch or a wait.",
        examples=["a"],
    )
    of: Annotated[
        Label, IfMissing("add of: with the split's name, or the name or address of the step")
    ] = Field(
        description="The split's name, or the name or the address of the branch or the wait.",
        examples=["subject-june"],
    )
    person: Annotated[Name, IfMissing("add person: with the person's user id")] = Field(
        description="The user id of the person.", examples=["ada"]
    )


class HasItem(Form):
    """What a person is known by when the test ends."""

    has: dict[str, JsonValue] = Field(
        min_length=1,
        description="Attributes that the person has when the test ends; null for one that is missing.",
        examples=[{"milestone": 100}],
    )
    person: Annotated[Name, IfMissing("add person: with the person's user id")] = Field(
        description="The user id of the person.", examples=["ada"]
    )


EXPECTED: dict[str, type[Form]] = {
    "delivery": DeliveryItem,
    "entered": EnteredItem,
    "skipped": SkippedItem,
    "withheld": WithheldItem,
    "request": RequestItem,
    "tracked": TrackedItem,
    "exited": ExitedItem,
    "converted": ConvertedItem,
    "ran": RanItem,
    "arm": ArmItem,
    "has": HasItem,
}
