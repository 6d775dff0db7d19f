"""The key `exit`: what ends an entry before its last step."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, JsonValue, Tag, WithJsonSchema

from whereupon.conditions import ALWAYS, Condition
from whereupon.errors import Diagnostic
from whereupon.rules.field_types import MessageCondition, RawCondition, WholeName
from whereupon.rules.form import Form, there
from whereupon.rules.keys.key_row import Key
from whereupon.rules.keys.when import LeavesForm, tag_by_key
from whereupon.rules.rule_reader import Path, RuleReader
from whereupon.rules.same import RawSame, Same, same_of

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker


@dataclass(frozen=True, slots=True)
class ExitOnEvent:
    """The person does something (``where`` and ``same`` narrow it) that ends the entry."""

    event: str
    where: Condition = ALWAYS
    same: Same | None = None


@dataclass(frozen=True, slots=True)
class ExitOnLeaving:
    """The person leaves a segment."""

    segment: str


@dataclass(frozen=True, slots=True)
class ExitOnCondition:
    """The person comes to satisfy a condition."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class ExitOnWho:
    """The rule's `who` no longer holds; every rule with `stay` has this exit.

    Attributes:
        failed: the part that does not hold, in words; empty in a rule.
    """

    who: Condition
    failed: str = ""


Exit: TypeAlias = ExitOnEvent | ExitOnLeaving | ExitOnCondition | ExitOnWho


class ExitEventForm(Form):
    """The person does something that ends the entry."""

    event: WholeName = Field(description="The event's name.", examples=["refund"])
    where: MessageCondition = Field(
        default=None,
        description="A condition over the event's properties.",
        examples=[{"price": {"gt": 0}}],
    )
    same: RawSame = Field(
        default=None,
        description=(
            "Properties that must equal the triggering message's: their names, or "
            "{THEIRS: THE TRIGGER'S}."
        ),
        examples=[["order_id"], {"invoice_id": "id"}],
    )


_TRIGGERS = frozenset({"leaves", "enters", "page", "screen"})
"""Keys that are no attributes at the top of an exit, even if one of them is not an exit's key."""


def _tag(raw: object) -> str:
    if isinstance(raw, str):
        return "<name>"
    return tag_by_key(raw, "event", "leaves") or "<condition>"


def _list_tag(raw: object) -> str:
    return "<exits>" if isinstance(raw, list) else "<exit>"


_CONDITION_SCHEMA: dict[str, JsonValue] = {
    "allOf": [{"x-ref": "#/$defs/Condition"}],
    "not": {"anyOf": [{"required": ["event"]}, {"required": ["leaves"]}]},
}
_OneExit: TypeAlias = Annotated[
    Annotated[WholeName, Tag("<name>")]
    | Annotated[ExitEventForm, Tag("<event>")]
    | Annotated[LeavesForm, Tag("<leaves>")]
    | Annotated[RawCondition, WithJsonSchema(_CONDITION_SCHEMA), Tag("<condition>")],
    Discriminator(_tag),
]
_Exits: TypeAlias = Annotated[
    Annotated[_OneExit, Tag("<exit>")]
    | Annotated[list[_OneExit], Field(min_length=1), Tag("<exits>")],
    Discriminator(_list_tag),
]


def _read(form: _Exits | None, reader: RuleReader) -> tuple[Exit, ...]:
    if isinstance(form, list):
        return tuple(_exit(one, reader, ("exit", i)) for i, one in enumerate(form))
    return () if form is None else (_exit(form, reader, ("exit",)),)


def _exit(form: _OneExit, reader: RuleReader, path: Path) -> Exit:
    match form:
        case str():
            return ExitOnEvent(form)
        case ExitEventForm():
            where = reader.condition(form.where, (*path, "where"), root="properties")
            same = same_of(form.same, (*path, "same"), reader)
            return ExitOnEvent(form.event, where, same)
        case LeavesForm():
            return ExitOnLeaving(reader.segment(form.leaves, (*path, "leaves")))
    return ExitOnCondition(reader.condition(form, path, root="person"))


def _check(raw: JsonValue, checker: "PlanChecker") -> Iterator[Diagnostic]:
    several = enumerate(raw) if isinstance(raw, list) else ()
    for place, each in several:
        yield from _check_exit(each, ("exit", place), checker)
    if not isinstance(raw, list):
        yield from _check_exit(raw, ("exit",), checker)


def _check_exit(raw: JsonValue, path: Path, checker: "PlanChecker") -> Iterator[Diagnostic]:
    if isinstance(raw, str) and not raw.endswith("*"):  # which the reader refuses
        yield from checker.event(raw, path)
    elif isinstance(raw, dict) and isinstance(event := raw.get("event"), str):
        yield from checker.event(event, (*path, "event"))
        where = raw.get("where")
        yield from checker.condition(where, (*path, "where"), "properties", events=[event])
        yield from checker.same(raw.get("same"), (*path, "same"), event)
    elif isinstance(raw, dict) and not raw.keys() & _TRIGGERS:
        yield from checker.condition(raw, path, "person")


_NOT_EXITS = {
    "enters": "to end when a segment is entered, write segment: NAME",
    "page": "a page ends no entry; a track event does, or a condition, or leaves: SEGMENT",
    "screen": "a screen ends no entry; a track event does, or a condition, or leaves: SEGMENT",
}


def _lint(
    _exits: tuple[Exit, ...], raw: JsonValue, _segments: Mapping[str, Condition]
) -> Iterator[Diagnostic]:
    """Warn of a trigger that is written as an exit, where it is a condition over an attribute."""
    several = isinstance(raw, list)
    for i, each in enumerate(raw if isinstance(raw, list) else [raw]):
        for key in each if isinstance(each, dict) else ():
            if key in _NOT_EXITS:
                path: Path = ("exit", i, key) if several else ("exit", key)
                message = f"this asks for an attribute called {key}; {_NOT_EXITS[key]}"
                yield Diagnostic.warning_at(path, "trigger-as-exit", message)


EXIT = Key(
    name="exit",
    attribute="exits",
    written=Annotated[_Exits | None, BeforeValidator(there)],
    field=Field(
        default=None,
        description=(
            "What ends an entry before its last step: an event, a segment that the person leaves, or "
            "a condition over the person; of a list, any of them."
        ),
        examples=[
            "order cancelled",
            {"leaves": "pro-users"},
            {"plan": "free"},
            ["order cancelled", {"plan": "free"}],
        ],
    ),
    read=_read,
    check=_check,
    lint=_lint,
)
