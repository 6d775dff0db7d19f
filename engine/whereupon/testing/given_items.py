"""The items of `given` as they are written: one form for each kind."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from whereupon.rules.field_types import MaybeDuration, Name
from whereupon.rules.form import Form, IfMissing, there
from whereupon.testing.item_fields import Backdating, Objects, Offset

MOST_REPETITIONS = 10_000
"""How often one item may repeat a message."""

_Repetitions = Annotated[
    Annotated[int, Field(ge=2, le=MOST_REPETITIONS)] | None,
    BeforeValidator(there),
    WithJsonSchema({"type": "integer", "minimum": 2, "maximum": MOST_REPETITIONS}),
]


class MessageItem(Form):
    """What every message may say: when it arrives, when it happened, who sends it."""

    model_config = ConfigDict(
        json_schema_extra={
            "dependentRequired": {"every": ["repeat"]},
            "not": {"required": ["id", "repeat"]},
        }
    )

    at: Offset = Field(
        default=None,
        description="When it arrives, from the test's start; without it with the item above.",
        examples=["+10m"],
    )
    repeat: _Repetitions = Field(
        default=None,
        description="How many such messages arrive, each with an id of its own.",
        examples=[100],
    )
    every: MaybeDuration = Field(
        default=None,
        description="How long after one of repeated messages the next arrives; without it all arrive together.",
        examples=["1m"],
    )
    happened: Backdating = Field(
        default=None,
        description="How long before its arrival it happened; without it at its arrival.",
        examples=["-5m"],
    )
    id: Name | None = Field(
        default=None,
        description="Its message id; a message with the same id is a repetition.",
        examples=["m-1"],
    )
    source: Literal["server", "client"] = Field(
        default="server",
        description="Who sends it: a server, or a client (a browser or an app).",
        examples=["client"],
    )
    context: Objects = Field(
        default_factory=dict,
        description="What the sender says of the surroundings.",
        examples=[{"ip": "192.0.2.1"}],
    )


class _PersonItem(MessageItem):
    user: str | None = Field(
        default=None, description="The user id of the person.", examples=["ada"]
    )
    anonymous: str | None = Field(
        default=None,
        description="The anonymous id, of a visitor or a device.",
        examples=["anon-1"],
    )


class TrackItem(_PersonItem):
    """A person did something."""

    track: str = Field(description="The event's name.", examples=["purchase"])
    properties: Objects = Field(
        default_factory=dict,
        description="The event's properties.",
        examples=[{"product": "socks", "price": 23.45}],
    )


class PageItem(_PersonItem):
    """A person saw a page."""

    page: str = Field(description="The page's name.", examples=["Pricing"])
    properties: Objects = Field(
        default_factory=dict, description="The page's properties.", examples=[{"path": "/pricing"}]
    )


class ScreenItem(_PersonItem):
    """A person saw a screen of an app."""

    screen: str = Field(description="The screen's name.", examples=["Cart"])
    properties: Objects = Field(
        default_factory=dict, description="The screen's properties.", examples=[{"items": 2}]
    )


class GroupItem(_PersonItem):
    """A person belongs to an object."""

    group: str = Field(description="The object's id.", examples=["acme"])
    traits: Objects = Field(
        default_factory=dict, description="The object's attributes.", examples=[{"seats": 20}]
    )


class IdentifyItem(MessageItem):
    """The user id of a person; null if only an anonymous id is known."""

    identify: str | None = Field(
        description="The user id; null where only an anonymous id is known.", examples=["ada"]
    )
    anonymous: str | None = Field(
        default=None,
        description="The anonymous id under which the person was seen until now.",
        examples=["anon-1"],
    )
    traits: Objects = Field(
        default_factory=dict,
        description="The person's attributes.",
        examples=[{"plan": "pro", "first_name": "Ada"}],
    )


class AliasItem(MessageItem):
    """Two ids belong to one person."""

    alias: str = Field(description="The user id that stays.", examples=["ada"])
    previous: Annotated[str, IfMissing("add previous: with the id that is no longer used")] = Field(
        description="The user id, or the anonymous id, that becomes the same person's.",
        examples=["ada-old"],
    )


class OperatorActItem(Form):
    """An operator decides something between the messages."""

    at: Offset = Field(
        default=None,
        description="When it is decided, from the test's start; without it with the item above.",
        examples=["+1h"],
    )
    by: Annotated[Name, IfMissing("add by: with the name of who decides it")] = Field(
        description="The name of the one who decides.", examples=["lena"]
    )
    refused: Name | None = Field(
        default=None,
        description="The code with which the decision is expected to be refused.",
        examples=["own-request"],
    )


class _RequestItem(OperatorActItem):
    person: Name | None = Field(
        default=None,
        description="The user id of the person whom the request is about; without it the newest request is meant.",
        examples=["ada"],
    )


class ApproveItem(_RequestItem):
    """An operator approves the newest held request for an action."""

    approve: Name = Field(
        description="The action that was asked for, and is agreed to.", examples=["Delete Person"]
    )


class CancelItem(_RequestItem):
    """An operator cancels a request."""

    cancel: Name = Field(
        description="The action that was asked for, and is called off.", examples=["Delete Person"]
    )


class CloseItem(OperatorActItem):
    """An operator closes the breaker of a guard file."""

    close: Name = Field(
        description="The guard file whose breaker is closed.", examples=["deletions"]
    )


class CallItem(Form):
    """The host triggers a broadcast whose `when` is api."""

    at: Offset = Field(
        default=None,
        description="When it is called, from the test's start; without it with the item above.",
        examples=["+1h"],
    )
    trigger: Name = Field(description="The broadcast's id.", examples=["monday-news"])
    key: Name | None = Field(
        default=None,
        description="What names this run: the same key a second time sends nothing.",
        examples=["june"],
    )
    properties: Objects = Field(
        default_factory=dict,
        description="What the host says to it, for conditions and templates.",
        examples=[{"issue": 6}],
    )


OPERATOR_ACTS: dict[str, type[OperatorActItem]] = {
    "approve": ApproveItem,
    "cancel": CancelItem,
    "close": CloseItem,
}
GIVEN: dict[str, type[MessageItem | OperatorActItem | CallItem]] = {
    "track": TrackItem,
    "page": PageItem,
    "screen": ScreenItem,
    "identify": IdentifyItem,
    "alias": AliasItem,
    "group": GroupItem,
    **OPERATOR_ACTS,
    "trigger": CallItem,
}
