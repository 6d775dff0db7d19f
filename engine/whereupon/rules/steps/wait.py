"""The step `wait`: let time pass."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import time, timedelta
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, JsonValue, Tag
from typing_extensions import override

from whereupon.conditions.paths import parts_of, path_of
from whereupon.errors import Diagnostic
from whereupon.messages.times import ZERO, format_duration
from whereupon.rules.field_types import TIME, MaybeDuration, PositiveDuration, check_time
from whereupon.rules.form import Form, invalid, shown
from whereupon.rules.rule_reader import Path, RuleReader
from whereupon.rules.steps.step_form import Step, StepForm

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY: Final = frozenset(range(7))
_FEW: Final = 2
_DAY: Final = rf"(?:{'|'.join(DAYS)})"
_DAY_SPAN: Final = re.compile(rf"({_DAY})(?:-({_DAY}))?")


@dataclass(frozen=True, slots=True)
class UntilTime:
    """Until a time of day on the person's clock, on one of these weekdays (0 is Monday)."""

    time: time
    days: frozenset[int] = EVERY_DAY


@dataclass(frozen=True, slots=True)
class UntilDate:
    """Until a date that the person has, moved by an offset.

    Attributes:
        path: of the attribute, without ``person``.
        offset: less than zero for before.
        at: the time of day on the person's clock; None for the date's own.
    """

    path: tuple[str, ...]
    offset: timedelta = ZERO
    at: time | None = None


@dataclass(frozen=True, slots=True)
class Wait(Step):
    """Let time pass: a duration from when the step is reached, or until a moment."""

    key = "wait"
    takes_time = True

    span: timedelta | UntilTime | UntilDate

    @property
    @override
    def in_words(self) -> str:
        """``waits`` and how long, or until when."""
        match self.span:
            case timedelta():
                return f"waits {format_duration(self.span)} more"
            case UntilTime(at, days):
                return f"waits until {at:%H:%M}{_on(days)}"
            case UntilDate(path, offset, at):
                moved = "" if not offset else f"{format_duration(abs(offset))} "
                moved += "" if not offset else "before " if offset < ZERO else "after "
                return f"waits until {moved}{path_of(('person', *path))}{f' at {at:%H:%M}' if at else ''}"

    @property
    @override
    def holds_entry(self) -> bool:
        return isinstance(self.span, UntilDate)


def _on(days: frozenset[int]) -> str:
    """The days in words; three or more in a row as a span."""
    if days == EVERY_DAY:
        return ""
    spans: list[list[int]] = []
    for day in sorted(days):
        if spans and spans[-1][-1] == day - 1:
            spans[-1].append(day)
        else:
            spans.append([day])
    words = (
        [f"{DAYS[span[0]]}-{DAYS[span[-1]]}"] if len(span) > _FEW else [DAYS[day] for day in span]
        for span in spans
    )
    return f" on {', '.join(chain.from_iterable(words))}"


# --- as it is written -------------------------------------------------------------------------------


def _until(text: str) -> str:
    if TIME.fullmatch(text):
        return text
    root, *rest = parts_of(text)
    if root == "person" and rest and "" not in rest:
        return text
    raise invalid(
        code="bad-wait",
        text="until is a time of day such as '09:00', or a date that the person has, such as "
        "person.trial_ends_at; this is {found}",
        found=shown(text),
    )


def _day_span(text: str) -> str:
    if not _DAY_SPAN.fullmatch(text):
        raise invalid(
            code="bad-wait",
            text="a day is one of mon tue wed thu fri sat sun, or a span such as mon-fri; this is {found}",
            found=shown(text),
        )
    return text


_TimeOfDay = Annotated[
    str,
    AfterValidator(partial(check_time, code="bad-wait")),
    Field(json_schema_extra={"pattern": f"^{TIME.pattern}$"}),
]
_Days = Annotated[
    str, AfterValidator(_day_span), Field(json_schema_extra={"pattern": f"^{_DAY_SPAN.pattern}$"})
]


_ONLY_DATES: JsonValue = {"anyOf": [{"required": [key]} for key in ("before", "after", "at")]}
_UNTIL_SCHEMA: dict[str, JsonValue] = {
    "not": {"required": ["before", "after"]},
    "if": {"properties": {"until": {"pattern": f"^{TIME.pattern}$"}}},
    "then": {"not": _ONLY_DATES},
    "else": {"not": {"required": ["on"]}},
}
"""What belongs to a time of day, and what to a date."""


class UntilForm(Form):
    """Until a moment: a time of day, or a date that the person has."""

    model_config = ConfigDict(json_schema_extra=_UNTIL_SCHEMA)

    until: Annotated[
        str,
        AfterValidator(_until),
        Field(json_schema_extra={"pattern": rf"^({TIME.pattern}|person(\.(\\.|[^.\\])+)+)$"}),
    ] = Field(
        description="A time of day on the person's clock, or a date that the person has.",
        examples=["09:00", "person.trial_ends_at"],
    )
    on: list[_Days] | None = Field(
        default=None,
        description="The weekdays on which the time of day counts; every day by default.",
        examples=[["mon-fri"]],
        min_length=1,
    )
    before: MaybeDuration = Field(
        default=None, description="How long before the date.", examples=["3d"]
    )
    after: MaybeDuration = Field(
        default=None, description="How long after the date.", examples=["1d"]
    )
    at: _TimeOfDay | None = Field(
        default=None,
        description="The time of day, on the person's clock, of the day that the date says.",
        examples=["09:00"],
    )


def _tag(raw: object) -> str:
    return "<until>" if isinstance(raw, dict) else "<duration>"


_WaitValue: TypeAlias = Annotated[
    Annotated[PositiveDuration, Tag("<duration>")] | Annotated[UntilForm, Tag("<until>")],
    Discriminator(_tag),
]


class WaitForm(StepForm):
    """Let time pass."""

    step = Wait

    wait: _WaitValue = Field(
        description="How long the entry waits, from when the step before was done; or until when.",
        examples=["2h", {"until": "09:00", "on": ["mon-fri"]}],
    )

    @override
    def read_step(self, reader: RuleReader, path: Path) -> Wait:
        if isinstance(self.wait, timedelta):
            return Wait(self.wait)
        return Wait(_read_until(self.wait, reader, (*path, "wait")))

    @override
    @classmethod
    def check(
        cls, raw: dict[str, JsonValue], path: Path, checker: "PlanChecker"
    ) -> Iterator[Diagnostic]:
        """The step's `if`, and the attribute that the wait goes by."""
        yield from checker.step_condition(raw.get("if"), (*path, "if"))
        wait = raw.get("wait")
        until = wait.get("until") if isinstance(wait, dict) else None
        if isinstance(until, str) and until.startswith("person."):
            yield from checker.value(parts_of(until), (*path, "wait", "until"))


def _read_until(form: UntilForm, reader: RuleReader, path: Path) -> UntilTime | UntilDate:
    if TIME.fullmatch(form.until):
        for key in ("before", "after", "at"):
            if getattr(form, key) is not None:
                message = f"{key} belongs to a date, such as until: person.trial_ends_at"
                reader.report((*path, key), "unsupported-key", message)
        return UntilTime(time.fromisoformat(form.until), _days(form.on))
    if form.on is not None:
        message = "on belongs to a time of day, such as until: '09:00'"
        reader.report((*path, "on"), "unsupported-key", message)
    if form.before is not None and form.after is not None:
        message = "before and after contradict each other; keep one"
        reader.report((*path, "after"), "unsupported-key", message)
    offset = form.after or ZERO
    if form.before is not None:
        offset = -form.before
    at = None if form.at is None else time.fromisoformat(form.at)
    return UntilDate(parts_of(form.until)[1:], offset, at)


def _days(spans: list[str] | None) -> frozenset[int]:
    if spans is None:
        return EVERY_DAY
    return frozenset(day for span in spans for day in _days_of(span))


def _days_of(span: str) -> Iterator[int]:
    first, _, last = span.partition("-")
    begin, end = DAYS.index(first), DAYS.index(last or first)
    while True:
        yield begin
        if begin == end:
            return
        begin = (begin + 1) % 7
