"""The parts of a test file as they are written: one form for each kind of item."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue

from whereupon.decide.decisions import Reason
from whereupon.messages.times import parse_duration
from whereupon.rules.field_types import MaybeInstant, Name
from whereupon.rules.form import Form, IfMissing, invalid, shown


def _signed(value: object, sign: str) -> timedelta | None:
    if not isinstance(value, str) or not value.startswith(sign):
        return None
    return parse_duration(value.removeprefix(sign))


def _offset(value: object) -> timedelta:
    offset = _signed(value, "+")
    if offset is None:
        raise invalid(
            code="bad-offset",
            text="a time counts from the test's start, such as +0s, +10m or +2h10m; this is {found}",
            found=shown(value),
        )
    return offset


def _backdating(value: object) -> timedelta:
    before = _signed(value, "-")
    if before is None:
        raise invalid(
            code="bad-offset",
            text="say how long before its arrival it happened, such as -5m or -3d; this is {found}",
            found=shown(value),
        )
    return before


def _reason(value: object) -> object:
    if isinstance(value, str) and value not in list(Reason):
        raise invalid(
            code="unknown-reason",
            text="there is no reason {found}; there are {known}",
            found=repr(value),
            known=", ".join(Reason),
        )
    return value


Offset = Annotated[timedelta | None, BeforeValidator(_offset)]
Backdating = Annotated[timedelta | None, BeforeValidator(_backdating)]
SkipReason = Annotated[str, BeforeValidator(_reason)]
Objects = dict[str, JsonValue]

Recipient = Annotated[Name, IfMissing("add to: with the person's user id")]


class TestFileForm(Form):
    """The file as a whole."""

    tests: Annotated[
        list[JsonValue], IfMissing("start the file with tests: and a list of tests")
    ] = Field(
        min_length=1,
        description="The tests of the rule or guard whose name the file has.",
        examples=[[{"name": "nothing happens", "given": [], "expect": []}]],
    )


class TestForm(Form):
    """One test; its items are read each by its own form."""

    __test__ = False  # no test of pytest's

    name: Annotated[Name, IfMissing("give the test a name: what holds, in a few words")] = Field(
        description="What holds, in a few words.", examples=["cheap socks are left alone"]
    )
    start: MaybeInstant = Field(
        default=None,
        description="When the test starts; Monday 5 January 2026, 09:00 UTC by default.",
        examples=["2026-03-01T09:00:00Z"],
    )
    until: Offset = Field(
        default=None,
        description="When the test ends; without it everything that is due is done.",
        examples=["+1d"],
    )
    given: Annotated[
        list[JsonValue], IfMissing("add given: with the messages that arrive; given: [] for none")
    ] = Field(
        description="What happens: messages that arrive, and what people decide, in their order.",
        examples=[[{"track": "purchase", "user": "ada"}]],
    )
    expect: Annotated[
        list[JsonValue],
        IfMissing("add expect: with all that the rule does; expect: [] for silence"),
    ] = Field(
        description="Everything that the rule then does: each entry and delivery; [] for silence.",
        examples=[[{"entered": "ada"}, {"delivery": "push", "to": "ada"}]],
    )


class MessageItem(Form):
    """What every message may say: when it arrives, when it happened, who sends it."""

    at: Offset = Field(
        default=None,
        description="When it arrives, from the test's start; without it with the item above.",
        examples=["+10m"],
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


class EnteredItem(Form):
    """A person enters the rule."""

    entered: Name = Field(
        description="The user id of the person who enters the rule.", examples=["ada"]
    )
    retroactive: bool | None = Field(
        default=None,
        description="Whether the person did it before they were known.",
        examples=[True],
    )
    at: Offset = Field(default=None, description="When, from the test's start.", examples=["+10m"])


class SkippedItem(Form):
    """A person does not enter; null if the person is not known."""

    skipped: Name | None = Field(
        description="The user id of the person who does not enter; null for an anonymous visitor.",
        examples=["ada"],
    )
    reason: Annotated[
        SkipReason, IfMissing("add reason: with why they are skipped, such as reason: who")
    ] = Field(description="Why not, by the reason's word.", examples=["who"])
    at: Offset = Field(default=None, description="When, from the test's start.", examples=["+10m"])


class DeliveryItem(Form):
    """A delivery reaches the outbox; every key beside these is content."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue] = Field(init=False)

    delivery: Name = Field(description="The channel.", examples=["push"])
    to: Recipient = Field(description="The user id of the person who gets it.", examples=["ada"])
    at: Offset = Field(
        default=None, description="When it is due, from the test's start.", examples=["+2h10m"]
    )


class WithheldItem(Form):
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


class RequestItem(Form):
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
EXPECTED: dict[str, type[Form]] = {
    "delivery": DeliveryItem,
    "entered": EnteredItem,
    "skipped": SkippedItem,
    "withheld": WithheldItem,
    "request": RequestItem,
}
