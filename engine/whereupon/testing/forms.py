"""The parts of a test file as they are written: one form for each kind of item."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue

from whereupon.decide.decisions import Reason
from whereupon.messages.times import parse_duration
from whereupon.rules.reader.fields import MaybeInstant, Name, fault, shown
from whereupon.rules.reader.steps import Form


def _signed(value: object, sign: str) -> timedelta | None:
    if not isinstance(value, str) or not value.startswith(sign):
        return None
    return parse_duration(value.removeprefix(sign))


def _offset(value: object) -> timedelta:
    offset = _signed(value, "+")
    if offset is None:
        raise fault(
            code="bad-offset",
            text="a time counts from the test's start, such as +0s, +10m or +2h10m; this is {found}",
            found=shown(value),
        )
    return offset


def _backdating(value: object) -> timedelta:
    before = _signed(value, "-")
    if before is None:
        raise fault(
            code="bad-offset",
            text="say how long before its arrival it happened, such as -5m or -3d; this is {found}",
            found=shown(value),
        )
    return before


def _reason(value: object) -> object:
    if isinstance(value, str) and value not in list(Reason):
        raise fault(
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


class FileForm(Form):
    """The file as a whole."""

    tests: list[JsonValue] = Field(min_length=1)


class TestForm(Form):
    """One test; its items are read each by its own form."""

    __test__ = False  # no test of pytest's

    name: Name
    start: MaybeInstant = None
    until: Offset = None
    given: list[JsonValue]
    expect: list[JsonValue]


class GivenForm(Form):
    """What every message may say: when it arrives, when it happened, who sends it."""

    at: Offset = None
    happened: Backdating = None
    id: Name | None = None
    source: Literal["server", "client"] = "server"
    context: Objects = Field(default_factory=dict)


class _BySomebody(GivenForm):
    user: str | None = None
    anonymous: str | None = None


class TrackForm(_BySomebody):
    """Somebody did something."""

    track: str
    properties: Objects = Field(default_factory=dict)


class PageForm(_BySomebody):
    """Somebody saw a page."""

    page: str
    properties: Objects = Field(default_factory=dict)


class ScreenForm(_BySomebody):
    """Somebody saw an app's screen."""

    screen: str
    properties: Objects = Field(default_factory=dict)


class GroupForm(_BySomebody):
    """Somebody belongs to an object."""

    group: str
    traits: Objects = Field(default_factory=dict)


class IdentifyForm(GivenForm):
    """Who somebody is; null where only an anonymous id is known."""

    identify: str | None
    anonymous: str | None = None
    traits: Objects = Field(default_factory=dict)


class AliasForm(GivenForm):
    """Two ids are one person's."""

    alias: str
    previous: str


class InterventionForm(Form):
    """Somebody decides something between the messages."""

    at: Offset = None
    by: Name
    refused: Name | None = None


class _OfSomebody(InterventionForm):
    person: Name | None = None


class ApproveForm(_OfSomebody):
    """Somebody agrees to the newest request for an action that is held."""

    approve: Name


class CancelForm(_OfSomebody):
    """Somebody calls it off."""

    cancel: Name


class CloseForm(InterventionForm):
    """Somebody closes the breaker of a guard file."""

    close: Name


class CallForm(Form):
    """The host calls up a broadcast whose `when` is api."""

    at: Offset = None
    trigger: Name
    key: Name | None = None
    properties: Objects = Field(default_factory=dict)


class EnteredForm(Form):
    """Somebody enters the rule."""

    entered: Name
    retroactive: bool | None = None
    at: Offset = None


class SkippedForm(Form):
    """Somebody (null: nobody known) does not enter."""

    skipped: Name | None
    reason: SkipReason
    at: Offset = None


class DeliveryForm(Form):
    """A delivery reaches the outbox; every key beside these is content."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue] = Field(init=False)

    delivery: Name
    to: Name
    at: Offset = None


class WithheldForm(Form):
    """A delivery is withheld."""

    withheld: Name
    to: Name
    reason: Name | None = None
    at: Offset = None


class RequestForm(Form):
    """An action is asked for."""

    request: Name
    person: Name | None = None
    outcome: Literal["ran", "held", "refused", "approved", "cancelled", "expired"]
    reason: Name | None = None
    at: Offset = None


INTERVENTIONS: dict[str, type[InterventionForm]] = {
    "approve": ApproveForm,
    "cancel": CancelForm,
    "close": CloseForm,
}
GIVEN: dict[str, type[GivenForm | InterventionForm | CallForm]] = {
    "track": TrackForm,
    "page": PageForm,
    "screen": ScreenForm,
    "identify": IdentifyForm,
    "alias": AliasForm,
    "group": GroupForm,
    **INTERVENTIONS,
    "trigger": CallForm,
}
EXPECTED: dict[str, type[Form]] = {
    "delivery": DeliveryForm,
    "entered": EnteredForm,
    "skipped": SkippedForm,
    "withheld": WithheldForm,
    "request": RequestForm,
}
