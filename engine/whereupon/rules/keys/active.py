"""The key `active`: whether a rule runs, and when it lets people in."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeAlias

from pydantic import Discriminator, Field, Tag

from whereupon.rules.field_types import MaybeInstant
from whereupon.rules.form import Form
from whereupon.rules.keys.key_row import Key
from whereupon.rules.rule_reader import RuleReader


@dataclass(frozen=True, slots=True)
class Active:
    """When the rule lets people in: switched on, and between two instants (end excluded)."""

    on: bool = True
    since: datetime | None = None
    until: datetime | None = None

    def allows(self, instant: datetime) -> bool:
        """Whether the rule lets people in at ``instant``."""
        if not self.on or (self.since is not None and instant < self.since):
            return False
        return self.until is None or instant < self.until


DEFAULT_ACTIVE = Active()


class ActiveForm(Form):
    """From when, and until when, the rule lets people in."""

    since: MaybeInstant = Field(
        default=None,
        alias="from",
        description="From when on the rule lets people in.",
        examples=["2026-01-31"],
    )
    until: MaybeInstant = Field(
        default=None,
        description="From when on it lets no more people in; those who are inside go on.",
        examples=["2026-03-01T09:00:00+01:00"],
    )


def _tag(raw: object) -> str:
    return "<active>" if isinstance(raw, dict) else "<switch>"


_ActiveForm: TypeAlias = Annotated[
    Annotated[bool, Tag("<switch>")] | Annotated[ActiveForm, Tag("<active>")],
    Discriminator(_tag),
]


def _read(form: bool | ActiveForm, reader: RuleReader) -> Active:
    if form is True:
        return DEFAULT_ACTIVE
    if isinstance(form, bool):
        return reader.pool.one(Active(on=form))
    if form.since is not None and form.until is not None and form.until <= form.since:
        message = "until is not later than from: no person could ever enter"
        reader.report(("active", "until"), "bad-instant", message)
    return reader.pool.one(Active(since=form.since, until=form.until))


ACTIVE = Key(
    name="active",
    attribute="active",
    written=_ActiveForm,
    field=Field(
        default=True,
        description=(
            "Whether the rule runs, or from when to when it lets people in. "
            "While it is false no person enters, and those who are inside stand still."
        ),
        examples=[False, {"from": "2026-01-31", "until": "2026-03-01"}],
    ),
    read=_read,
)
