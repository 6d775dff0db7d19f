"""The key `locale` of the settings file: in which language people are written to."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, JsonValue, Tag

from whereupon.conditions.paths import parts_of
from whereupon.errors import Diagnostic
from whereupon.rules.field_types import AttributePath, Locale, MaybeLocale
from whereupon.rules.form import Form, there
from whereupon.rules.locales import LocaleSource

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker


class LocaleForm(Form):
    """A locale for each person: an attribute names it."""

    attribute: AttributePath = Field(
        default="locale",
        description="The attribute of a person that names the locale; locale by default.",
        examples=["locale"],
    )
    otherwise: MaybeLocale = Field(
        default=None,
        alias="else",
        description="The locale of people whose attribute names none; without it they have none.",
        examples=["en"],
    )


def _tag(raw: object) -> str | None:
    if isinstance(raw, str):
        return "<name>"
    return "<locale>" if isinstance(raw, dict) else None


AnyLocaleForm: TypeAlias = Annotated[
    Annotated[
        Annotated[Locale, Tag("<name>")] | Annotated[LocaleForm, Tag("<locale>")],
        Discriminator(
            _tag,
            custom_error_type="bad-locale",
            custom_error_message=(
                "`locale` is a name such as en or de-AT, or {attribute: locale, else: en}"
            ),
        ),
    ]
    | None,
    BeforeValidator(there),
]


def read_locale(form: LocaleForm | str | None) -> LocaleSource | None:
    """The value of what is written; None if nothing is."""
    if form is None:
        return None
    if isinstance(form, str):
        return LocaleSource(None, form)
    return LocaleSource(parts_of(form.attribute), form.otherwise)


def check_locale(raw: JsonValue, checker: "PlanChecker") -> Iterator[Diagnostic]:
    """The name of the attribute."""
    attribute = raw.get("attribute") if isinstance(raw, dict) else None
    if isinstance(attribute, str):
        yield from checker.value(("person", *parts_of(attribute)), ("locale", "attribute"))
