"""The key `holdout`: some people are kept out at random, so that the others can be compared with them."""

import re
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    WithJsonSchema,
)

from whereupon.rules.form import Form, invalid, shown, there
from whereupon.rules.keys.key_row import Key
from whereupon.rules.rule_reader import RuleReader

_GROUP: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")
_HUNDRED: Final = 100


@dataclass(frozen=True, slots=True)
class Holdout:
    """The share of people who are kept out.

    Attributes:
        share: in ten thousandths.
        group: rules of one group keep the same people out; None for people of the rule's own.
    """

    share: int
    group: str | None = None


def _percent(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _HUNDRED:
        raise invalid(
            code="bad-percent",
            text="a holdout is a percentage above 0 and below 100, such as 10 or 2.5; this is {found}",
            found=shown(value),
        )
    if abs(round(value * _HUNDRED) - value * _HUNDRED) > 1e-6:  # noqa: PLR2004 - what a float is off by
        raise invalid(
            code="bad-percent", text="a percentage has at most two decimals, such as 2.75"
        )
    return value


def _group(text: str) -> str:
    if not _GROUP.fullmatch(text):
        raise invalid(
            code="bad-name",
            text="the name of a holdout's group is lower-case letters, digits and hyphens, such as spring",
        )
    return text


_PERCENT_SCHEMA: dict[str, JsonValue] = {
    "type": "number",
    "exclusiveMinimum": 0,
    "exclusiveMaximum": _HUNDRED,
}
_Percent = Annotated[float, BeforeValidator(_percent), WithJsonSchema(_PERCENT_SCHEMA)]
_Group = Annotated[
    str, AfterValidator(_group), Field(json_schema_extra={"pattern": f"^{_GROUP.pattern}$"})
]
_MaybeGroup = Annotated[_Group | None, BeforeValidator(there)]


class HoldoutForm(Form):
    """How many people are kept out, and with which other rules the same people."""

    percent: _Percent = Field(
        description="How many of a hundred people are kept out, with up to two decimals.",
        examples=[5],
    )
    group: _MaybeGroup = Field(
        default=None,
        description="Every rule of the group keeps the same people out.",
        examples=["spring"],
    )


def _tag(raw: object) -> str:
    return "<holdout>" if isinstance(raw, dict) else "<percent>"


_RawHoldout: TypeAlias = Annotated[
    Annotated[_Percent, Tag("<percent>")] | Annotated[HoldoutForm, Tag("<holdout>")],
    Discriminator(_tag),
]


def _read(form: _RawHoldout | None, reader: RuleReader) -> Holdout | None:
    if form is None:
        return None
    if isinstance(form, HoldoutForm):
        return reader.pool.one(Holdout(round(form.percent * _HUNDRED), form.group))
    return reader.pool.one(Holdout(round(form * _HUNDRED)))


HOLDOUT = Key(
    name="holdout",
    attribute="holdout",
    written=Annotated[_RawHoldout | None, BeforeValidator(there)],
    field=Field(
        default=None,
        description=(
            "How many of a hundred people are kept out at random, to compare the others with; their "
            "goals are watched, too."
        ),
        examples=[10, {"percent": 5, "group": "spring"}],
    ),
    read=_read,
)
