"""The key `timezone` of the settings file and of rules: whose clock times of day and texts go by."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, JsonValue, Tag

from whereupon.conditions.clocks import Clock
from whereupon.conditions.paths import parts_of
from whereupon.errors import Diagnostic
from whereupon.rules.field_types import AttributePath, Timezone
from whereupon.rules.form import Form, there
from whereupon.rules.keys.key_row import Key
from whereupon.rules.rule_reader import RuleReader

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker


class ClockForm(Form):
    """A timezone for each person: an attribute names it."""

    attribute: AttributePath = Field(
        default="timezone",
        description="The attribute of a person that names the timezone; timezone by default.",
        examples=["timezone"],
    )
    otherwise: Timezone = Field(
        default="UTC",
        alias="else",
        description="The timezone of people whose attribute names none; UTC by default.",
        examples=["Europe/Paris"],
    )


def _tag(raw: object) -> str | None:
    if isinstance(raw, str):
        return "<name>"
    return "<clock>" if isinstance(raw, dict) else None


AnyClockForm: TypeAlias = Annotated[
    Annotated[
        Annotated[Timezone, Tag("<name>")] | Annotated[ClockForm, Tag("<clock>")],
        Discriminator(
            _tag,
            custom_error_type="bad-timezone",
            custom_error_message=(
                "`timezone` is a name such as Europe/Paris, or "
                "{attribute: timezone, else: Europe/Paris}"
            ),
        ),
    ]
    | None,
    BeforeValidator(there),
]


def read_clock(form: ClockForm | str | None) -> Clock | None:
    """The value of what is written; None if nothing is."""
    if form is None:
        return None
    if isinstance(form, str):
        return Clock(None, form)
    return Clock(parts_of(form.attribute), form.otherwise)


def _read(form: ClockForm | str | None, reader: RuleReader) -> Clock | None:
    """The rule's own, else the clock of its schedule; the conditions that are read after it go by it."""
    own = read_clock(form) or reader.clock
    reader.clock = None if own is None else reader.pool.one(own)
    return reader.clock


def check_clock(raw: JsonValue, checker: "PlanChecker") -> Iterator[Diagnostic]:
    """The name of the attribute."""
    attribute = raw.get("attribute") if isinstance(raw, dict) else None
    if isinstance(attribute, str):
        yield from checker.value(("person", *parts_of(attribute)), ("timezone", "attribute"))


TIMEZONE = Key(
    name="timezone",
    attribute="clock",
    written=AnyClockForm,
    field=Field(
        default=None,
        description=(
            "Whose clock times of day, calendar days and the texts of this rule go by, instead of what the settings "
            "say: a timezone, or the attribute that names a person's own."
        ),
        examples=["Europe/Paris", {"attribute": "timezone", "else": "Europe/Paris"}],
    ),
    read=_read,
    check=check_clock,
)
