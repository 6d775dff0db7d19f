"""The triggers of the key `when` that time sets off: a date that a person has, and the person's silence."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import time, timedelta
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
)

from whereupon.conditions.clocks import Clock
from whereupon.conditions.paths import parts_of, path_of
from whereupon.errors import Diagnostic
from whereupon.messages.times import ZERO, format_duration
from whereupon.records import Breaking
from whereupon.rules.field_types import MaybeDuration, NamePattern, PositiveDuration, TimeOfDay
from whereupon.rules.form import Form, invalid, shown, there
from whereupon.rules.keys.timezone import AnyClockForm, read_clock
from whereupon.rules.rule_reader import RuleReader

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker

ANY = "any"
"""What `quiet` says for: no message at all."""


# --- the values -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OnDate:
    """A date that a person has, moved by an offset: once for each person and value of the date.

    Attributes:
        path: of the attribute, without ``person``.
        offset: less than zero for before. Whole days are days of the calendar.
        at: the time of day on the clock; None for the date's own.
        clock: whose clock the date is on; None for the rule's, or else the settings'.
        yearly: whether the date comes again each year.
    """

    path: tuple[str, ...]
    offset: timedelta = ZERO
    at: time | None = None
    clock: Clock | None = None
    yearly: bool = False

    @property
    def attribute(self) -> str:
        """The attribute as rule files write it, without ``person``."""
        return path_of(self.path)

    @property
    def in_words(self) -> str:
        """The moment, such as ``7d before person.renews_at at 09:00``."""
        side = "before" if self.offset < ZERO else "after"
        moved = f"{format_duration(abs(self.offset))} {side} " if self.offset else ""
        at = "" if self.at is None else f" at {self.at:%H:%M}"
        clock = f" ({_clock_words(self.clock)})" if self.clock is not None else ""
        return f"{moved}{path_of(('person', *self.path))}{at}{clock}{', every year' * self.yearly}"


def _clock_words(clock: Clock) -> str:
    if clock.attribute is None:
        return clock.otherwise
    return f"{path_of(('person', *clock.attribute))}, else {clock.otherwise}"


@dataclass(frozen=True, slots=True)
class OnQuiet:
    """A known person has sent none of some messages for a time: once for each silence."""

    breaking: Breaking
    span: timedelta

    @property
    def in_words(self) -> str:
        """The silence, such as ``no Order * or Signed In for 60d``."""
        names, prefixes, every = self.breaking
        patterns = sorted([*names, *(f"{prefix}*" for prefix in prefixes)])
        what = "message" if every else " or ".join(patterns)
        return f"no {what} for {format_duration(self.span)}"


# --- as it is written -------------------------------------------------------------------------


def _person_path(text: str) -> str:
    root, *rest = parts_of(text)
    if root != "person" or not rest or "" in rest:
        raise invalid(
            code="bad-date",
            text="date is an attribute of the person that holds a date, such as person.renews_at; this is "
            "{found}",
            found=shown(text),
        )
    return text


_PersonPath = Annotated[
    str,
    AfterValidator(_person_path),
    Field(json_schema_extra={"pattern": r"^person(\.(\\.|[^.\\])+)+$"}),
]


PERSON = "person"
"""The timezone of a trigger that goes by each person's own."""


def _own(raw: object) -> object:
    return {"attribute": "timezone"} if raw == PERSON else raw


class DateForm(Form):
    """A date that the person has."""

    model_config = ConfigDict(json_schema_extra={"not": {"required": ["before", "after"]}})

    date: _PersonPath = Field(
        description="The attribute that holds the date. Each person enters once for each value of it.",
        examples=["person.renews_at"],
    )
    before: MaybeDuration = Field(
        default=None,
        description="How long before the date; whole days are days of the calendar.",
        examples=["7d"],
    )
    after: MaybeDuration = Field(
        default=None,
        description="How long after the date; whole days are days of the calendar.",
        examples=["1d"],
    )
    at: Annotated[TimeOfDay | None, BeforeValidator(there)] = Field(
        default=None,
        description="The time of day; without it the date's own, which is 00:00 for a date alone.",
        examples=["09:00"],
    )
    timezone: Annotated[AnyClockForm, BeforeValidator(_own)] = Field(
        default=None,
        description="Whose clock the date is on: a timezone, person, or the attribute that names a person's "
        "own. Without it the rule's or the settings' timezone.",
        examples=["Europe/Paris", PERSON, {"attribute": "timezone", "else": "Europe/Paris"}],
    )
    every: Annotated[Literal["year"] | None, BeforeValidator(there)] = Field(
        default=None,
        description="Each year again, from the date itself on; 29 February is the 28th in other years.",
        examples=["year"],
    )


def _quiet_tag(raw: object) -> str | None:
    if raw == ANY:
        return "<any>"
    return "<name>" if isinstance(raw, str) else "<names>" if isinstance(raw, list) else None


_Names: TypeAlias = Annotated[list[NamePattern], Field(min_length=1)]
_Broken: TypeAlias = Annotated[
    Annotated[Literal["any"], Tag("<any>")]
    | Annotated[NamePattern, Tag("<name>")]
    | Annotated[_Names, Tag("<names>")],
    Discriminator(
        _quiet_tag,
        custom_error_type="unknown-trigger",
        custom_error_message="`quiet` is an event's name, a list of names, or any for every message",
    ),
]


class QuietForm(Form):
    """A known person has sent none of some messages for a time."""

    quiet: _Broken = Field(
        description="The events that break the silence: a name, a list of names, or any for every message.",
        examples=[["Signed In", "Order *"], "any"],
    )
    span: PositiveDuration = Field(
        alias="for",
        description="How long the person has sent none, counted from the last one, or else from when they "
        "became known.",
        examples=["60d"],
    )


# --- reading ----------------------------------------------------------------------------------


def read_date(form: DateForm, reader: RuleReader) -> OnDate:
    """The value of a date trigger."""
    if form.before is not None and form.after is not None:
        message = "before and after contradict each other; keep one"
        reader.report(("when", "after"), "unsupported-key", message)
    offset = (form.after or ZERO) if form.before is None else -form.before
    at = None if form.at is None else time.fromisoformat(form.at)
    path = parts_of(form.date)[1:]
    return OnDate(path, offset, at, read_clock(form.timezone), yearly=form.every is not None)


def read_quiet(form: QuietForm) -> OnQuiet:
    """The value of a quiet trigger."""
    if form.quiet == ANY:
        return OnQuiet(Breaking(any=True), form.span)
    names = [form.quiet] if isinstance(form.quiet, str) else form.quiet
    whole = frozenset(name for name in names if not name.endswith("*"))
    prefixes = tuple(name[:-1] for name in names if name.endswith("*"))
    return OnQuiet(Breaking(whole, prefixes), form.span)


def check_timed(raw: JsonValue, checker: "PlanChecker") -> Iterator[Diagnostic]:
    """The attributes and the events that a trigger by time names."""
    if not isinstance(raw, dict):
        return
    if isinstance(date := raw.get("date"), str) and date.startswith("person."):
        yield from checker.date(parts_of(date), ("when", "date"))
        clock = raw.get("timezone")
        attribute = clock.get("attribute") if isinstance(clock, dict) else None
        if isinstance(attribute, str):
            path = ("when", "timezone", "attribute")
            yield from checker.value(("person", *parts_of(attribute)), path)
    quiet = raw.get("quiet")
    if isinstance(quiet, str) and quiet != ANY:
        yield from checker.event(quiet, ("when", "quiet"))
    for place, name in enumerate(quiet if isinstance(quiet, list) else ()):
        if isinstance(name, str):
            yield from checker.event(name, ("when", "quiet", place))
