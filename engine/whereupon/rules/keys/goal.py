"""The key `goal`: what a rule is for, such as a purchase; who reached it is counted, and leaves the rule."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, JsonValue, Tag

from whereupon.conditions import ALWAYS, Condition, Performed
from whereupon.errors import Diagnostic
from whereupon.rules.field_types import MessageCondition, PositiveDuration, WholeName
from whereupon.rules.form import Form, there
from whereupon.rules.keys.key_row import Key
from whereupon.rules.rule_reader import RuleReader
from whereupon.rules.same import RawSame, Same, same_of

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker

DEFAULT_WITHIN: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Goal:
    """An event of the person's (``where`` and ``same`` narrow it) by which an entry converts.

    Attributes:
        within: how long after the message that opened the entry.
        after_send: whether only what happens after the entry's first delivery counts.
        exits: whether it ends the entry.
        skips_reached: whether who reached it before is kept out.
    """

    event: str
    where: Condition = ALWAYS
    same: Same | None = None
    within: timedelta = DEFAULT_WITHIN
    after_send: bool = False
    exits: bool = True
    skips_reached: bool = False

    @property
    def performed(self) -> Performed:
        """The question whether a person reached it, ever."""
        where = None if self.where is ALWAYS else self.where
        return Performed(self.event, where, same=self.same)


class GoalForm(Form):
    """The event that counts as a conversion, and for how long."""

    event: WholeName = Field(description="The event's name.", examples=["Order Completed"])
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
    within: PositiveDuration = Field(
        default=DEFAULT_WITHIN,
        description="How long after the triggering message the event counts; 7d if it is not said.",
        examples=["14d"],
    )
    after: Literal["entry", "first_send"] = Field(
        default="entry",
        description="Whether the event counts from the entry on, or only after the entry's first delivery.",
        examples=["first_send"],
    )
    exit: bool = Field(
        default=True, description="Whether the event ends the entry.", examples=[False]
    )
    already: Literal["enter", "skip"] = Field(
        default="enter",
        description="skip keeps out who reached the goal before, with the reason goal-met.",
        examples=["skip"],
    )


def _tag(raw: object) -> str:
    return "<goal>" if isinstance(raw, dict) else "<name>"


_RawGoal: TypeAlias = Annotated[
    Annotated[WholeName, Tag("<name>")] | Annotated[GoalForm, Tag("<goal>")], Discriminator(_tag)
]


def _read(form: _RawGoal | None, reader: RuleReader) -> Goal | None:
    if form is None or isinstance(form, str):
        return None if form is None else Goal(form)
    return Goal(
        form.event,
        reader.condition(form.where, ("goal", "where"), root="properties"),
        same_of(form.same, ("goal", "same"), reader),
        form.within,
        after_send=form.after == "first_send",
        exits=form.exit,
        skips_reached=form.already == "skip",
    )


def _check(raw: JsonValue, checker: "PlanChecker") -> Iterator[Diagnostic]:
    if isinstance(raw, str) and not raw.endswith("*"):  # which the reader refuses
        yield from checker.event(raw, ("goal",))
    elif isinstance(raw, dict) and isinstance(event := raw.get("event"), str):
        yield from checker.event(event, ("goal", "event"))
        where = raw.get("where")
        yield from checker.condition(where, ("goal", "where"), "properties", events=[event])
        yield from checker.same(raw.get("same"), ("goal", "same"), event)


GOAL = Key(
    name="goal",
    attribute="goal",
    written=Annotated[_RawGoal | None, BeforeValidator(there)],
    field=Field(
        default=None,
        description=(
            "What the rule is for: an event of the person's that counts as a conversion, and ends "
            "the entry."
        ),
        examples=[
            "Order Completed",
            {"event": "Order Completed", "within": "14d", "same": ["order_id"]},
        ],
    ),
    read=_read,
    check=_check,
)
