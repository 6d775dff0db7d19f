"""The key `cap`: in the settings, how much a person is sent at most; in a rule, that this does not hold for it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias, assert_never

from pydantic import BeforeValidator, Discriminator, Field, JsonValue, Tag

from whereupon.errors import Diagnostic
from whereupon.messages.times import format_duration
from whereupon.rules.field_types import PositiveDuration
from whereupon.rules.form import Form, invalid, shown, there
from whereupon.rules.keys.keep import Retention
from whereupon.rules.keys.key_row import Key
from whereupon.rules.keys.quiet_hours import Channels, check_channels
from whereupon.rules.rule_reader import RuleReader

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker

EXEMPT: Final = "exempt"


@dataclass(frozen=True, slots=True)
class Skip:
    """What is over the cap is not sent."""


@dataclass(frozen=True, slots=True)
class WaitUpTo:
    """What is over the cap waits until there is a place under it, and is not sent if there is none by then."""

    duration: timedelta


Otherwise: TypeAlias = Skip | WaitUpTo
SKIP: Final = Skip()


@dataclass(frozen=True, slots=True)
class Cap:
    """How much one person is sent at most.

    Attributes:
        at_most: the number of deliveries.
        per: the length of the rolling window in which they are counted.
        channels: the names of the channels on which they are counted; None for all.
        otherwise: what happens to what is over it.
    """

    at_most: int
    per: timedelta
    channels: tuple[str, ...] | None = None
    otherwise: Otherwise = SKIP

    def concerns(self, channel: str) -> bool:
        """Whether deliveries on a channel count."""
        return self.channels is None or channel in self.channels


class WaitUpToForm(Form):
    """What is over the cap waits."""

    wait_up_to: PositiveDuration = Field(
        description="How long a send waits at most for a place under the cap; then it is left out.",
        examples=["24h"],
    )


def _otherwise_tag(raw: object) -> str | None:
    if raw == "skip":
        return "<skip>"
    return "<wait>" if isinstance(raw, dict) and "wait_up_to" in raw else None


_OtherwiseForm: TypeAlias = Annotated[
    Annotated[Literal["skip"], Tag("<skip>")] | Annotated[WaitUpToForm, Tag("<wait>")],
    Discriminator(
        _otherwise_tag,
        custom_error_type="bad-cap",
        custom_error_message="`otherwise` is skip, or {wait_up_to: 24h}",
    ),
]


def _at_most(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise invalid(
            code="bad-cap",
            text="at_most is a whole number from 1 on; this is {found}",
            found=shown(value),
        )
    return value


class CapForm(Form):
    """How much one person is sent at most."""

    at_most: Annotated[int, BeforeValidator(_at_most), Field(json_schema_extra={"minimum": 1})] = (
        Field(
            description="How many deliveries one person is sent at most within the time.",
            examples=[3],
        )
    )
    per: PositiveDuration = Field(
        description="The time, up to each send, in which deliveries count.", examples=["7d"]
    )
    channels: Channels = Field(
        default=None,
        description="The channels whose deliveries count, and that the cap holds for; all by default.",
        examples=[["email"]],
    )
    otherwise: _OtherwiseForm = Field(
        default="skip",
        description="What happens to a send over the cap: it is left out (skip, the default), or waits.",
        examples=["skip", {"wait_up_to": "24h"}],
    )


Caps: TypeAlias = Annotated[
    Annotated[list[CapForm], Field(min_length=1)] | None, BeforeValidator(there)
]
"""The caps of the settings file, as they are written."""


def read_caps(forms: list[CapForm] | None, keep: Retention, reader: RuleReader) -> tuple[Cap, ...]:
    """The value of what is written.

    Args:
        keep: how long the store keeps deliveries, which are what a cap counts.
    """
    caps: list[Cap] = []
    for place, form in enumerate(forms or ()):
        if keep.deliveries is not None and form.per > keep.deliveries:
            message = (
                f"deliveries are kept for {format_duration(keep.deliveries)}, and older ones cannot be "
                "counted: write a shorter time, or a longer one at keep: deliveries"
            )
            reader.report(("cap", place, "per"), "cap-beyond-keep", message)
        channels = None if form.channels is None else tuple(dict.fromkeys(form.channels))
        caps.append(Cap(form.at_most, form.per, channels, _otherwise(form.otherwise)))
    return tuple(caps)


def _otherwise(form: Literal["skip"] | WaitUpToForm) -> Otherwise:
    match form:
        case "skip":
            return SKIP
        case WaitUpToForm():
            return WaitUpTo(form.wait_up_to)
        case _:
            assert_never(form)


def check_caps(raw: JsonValue, checker: "PlanChecker") -> Iterator[Diagnostic]:
    """The names of the channels of each cap."""
    for place, each in enumerate(raw if isinstance(raw, list) else ()):
        yield from check_channels(each, checker, ("cap", place))


def _exempt(value: object) -> object:
    if value != EXEMPT:
        raise invalid(
            code="bad-cap",
            text="a rule says cap: exempt, or nothing: the caps themselves stand in settings.yaml; "
            "this is {found}",
            found=shown(value),
        )
    return value


def _read(form: str | None, _: RuleReader) -> bool:
    return form == EXEMPT


CAP = Key(
    name="cap",
    attribute="ignores_caps",
    written=Annotated[Literal["exempt"] | None, BeforeValidator(_exempt)],
    field=Field(
        default=None,
        description="exempt: what this rule sends goes out whatever the caps of the settings say.",
        examples=[EXEMPT],
    ),
    read=_read,
)
