"""The key `retroactive`: whether what a person did before they were known lets them in."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag

from whereupon.rules.field_types import MaybeDuration
from whereupon.rules.form import Form
from whereupon.rules.keys.key_row import Key
from whereupon.rules.rule_reader import RuleReader


class Take(StrEnum):
    """Which of the messages that one claim brings may trigger."""

    ALL = "all"
    FIRST = "first"
    LAST = "last"
    NONE = "none"


_ONE = (Take.FIRST, Take.LAST)


@dataclass(frozen=True, slots=True)
class Retroactive:
    """The policy for claimed messages; ``within`` limits their age before the claim."""

    take: Take = Take.ALL
    within: timedelta | None = None

    @property
    def takes_one(self) -> bool:
        """Whether only one of the messages that a claim brings may trigger."""
        return self.take in _ONE


DEFAULT_RETROACTIVE = Retroactive()


class RetroactiveForm(Form):
    """Which of the messages that were claimed trigger."""

    take: Literal["all", "first", "last"] = Field(
        default="all",
        description="Which of several messages count that come to the person at once.",
        examples=["first"],
    )
    within: MaybeDuration = Field(
        default=None,
        description="How old a message may be when the person becomes known; max_age holds, too.",
        examples=["24h"],
    )


def _tag(raw: object) -> str:
    return "<retroactive>" if isinstance(raw, dict) else "<switch>"


_RetroactiveForm: TypeAlias = Annotated[
    Annotated[bool, Tag("<switch>")] | Annotated[RetroactiveForm, Tag("<retroactive>")],
    Discriminator(_tag),
]


def _read(form: bool | RetroactiveForm, reader: RuleReader) -> Retroactive:
    if isinstance(form, bool):
        return reader.pool.one(Retroactive(Take.ALL if form else Take.NONE))
    return reader.pool.one(Retroactive(Take(form.take), form.within))


RETROACTIVE = Key(
    name="retroactive",
    attribute="retroactive",
    written=_RetroactiveForm,
    field=Field(
        default=True,
        description="Whether what a person did before they were known lets them in.",
        examples=[False, {"take": "last", "within": "24h"}],
    ),
    read=_read,
)
