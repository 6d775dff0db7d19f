"""What every kind of step says of itself, as a value and as it is written."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, TypeAlias, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    JsonValue,
)
from pydantic_core import CoreSchema
from typing_extensions import override

from whereupon.conditions import ALWAYS, Condition
from whereupon.errors import Diagnostic
from whereupon.messages.model import MessageType
from whereupon.rules.field_types import RawCondition
from whereupon.rules.form import BuiltLater, Form, invalid, there
from whereupon.rules.rule_reader import Path, RuleReader

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker

Steps: TypeAlias = tuple["Step", ...]


class Arm(NamedTuple):
    """An arm of a step.

    Attributes:
        label: stands in the addresses of its steps.
        path: where its list of steps stands within the step: keys and positions.
    """

    label: str
    steps: Steps
    path: Path


ELSE = "else"
"""The label of the arm for those whom no other arm takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a rule. A kind of step is a subclass; what other packages ask of any step stands here.

    Attributes:
        key: the word that the step has in a rule file.
        takes_time: whether the entry waits at the step.
        delivers: whether the step makes a delivery.
        name: stands in the step's address in place of its number; None if it has no name.
        condition: the step's `if`: whom the step is done for, asked when the step is reached.
    """

    key: ClassVar[str]
    takes_time: ClassVar[bool] = False
    delivers: ClassVar[bool] = False

    name: str | None = None
    condition: Condition = ALWAYS

    @property
    def in_words(self) -> str:
        """What an entry does at the step: a verb and its object, such as ``sends push``."""
        raise NotImplementedError

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The arms that an entry may take from here, top down."""
        return ()

    @property
    def is_exhaustive(self) -> bool:
        """Whether an entry that comes to the step always takes one of its arms."""
        return False

    @property
    def looping(self) -> Collection[str]:
        """The labels of the arms after which the step starts anew."""
        return ()

    @property
    def holds_entry(self) -> bool:
        """Whether an entry may stand at the step until something happens."""
        return False

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions over the person that the step asks, its `if` included."""
        return () if self.condition is ALWAYS else (self.condition,)

    @property
    def awaited(self) -> Collection[str]:
        """The names of the events that the step waits for."""
        return ()

    @property
    def messages_sent(self) -> tuple[tuple[MessageType, str], ...]:
        """The messages, by type and name, that the step sends into the engine; those of its arms are not among them."""
        return ()

    @property
    def attributes_set(self) -> Collection[str]:
        """The names of the attributes of the person that the step sets."""
        return ()


_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_KEPT_NAMES = frozenset({ELSE, "end"})


def _step_name(name: str) -> str:
    if not _NAME.fullmatch(name) or name in _KEPT_NAMES:
        raise invalid(
            code="bad-name",
            text="a step's name is lower-case letters, digits and hyphens, begins with a letter, and is not "
            "else or end; such as cart-reminder",
        )
    return name


class StepForm(Form):
    """A kind of step as it is written: a mapping with the step's key, or the key alone as a word.

    Attributes:
        step: the class of the value.
        is_word: whether the step may be written as its key alone.
        refused: keys that a step with content refuses, though they would be content.
    """

    step: ClassVar[type[Step]]
    is_word: ClassVar[bool] = False
    refused: ClassVar[frozenset[str]] = frozenset()

    name: Annotated[
        Annotated[
            str,
            AfterValidator(_step_name),
            Field(json_schema_extra={"pattern": f"^{_NAME.pattern}$"}),
        ]
        | None,
        BeforeValidator(there),
    ] = Field(
        default=None,
        description="The step's name, which reports show and which stays when steps are put before it.",
        examples=["cart-reminder"],
    )
    if_: RawCondition = Field(
        default=None,
        alias="if",
        description="A condition over the person: the step is done only for those whom it holds for.",
        examples=[{"newsletter": True}],
    )

    def contents(self) -> Iterator[tuple[Path, Mapping[str, JsonValue]]]:
        """The mappings of free content that the step has, each with its path in the step."""
        yield (), self.model_extra or {}

    @classmethod
    def example(cls) -> JsonValue:
        """A value of the step's key that no check refuses."""
        field = cls.model_fields.get(cls.step.key)
        return None if field is None or not field.examples else cast("JsonValue", field.examples[0])

    def read(self, reader: RuleReader, path: Path) -> Step:
        """The value, with what every step may have; ``path`` is the step's in the file."""
        step = self.read_step(reader, path)
        if self.name is None and self.if_ is None:
            return step
        condition = reader.condition(self.if_, (*path, "if"), root="person", in_steps=True)
        return replace(step, name=self.name, condition=condition)

    def inner(self) -> "Iterator[tuple[Path, Sequence[StepForm]]]":
        """The lists of steps that the step holds, each with its place within the step."""
        return iter(())

    def read_step(self, reader: RuleReader, path: Path) -> Step:
        """The value, without its name and its `if`."""
        raise NotImplementedError

    @classmethod
    def check(
        cls, raw: dict[str, JsonValue], path: Path, checker: "PlanChecker"
    ) -> Iterator[Diagnostic]:
        """Check the names that are written in the step against the tracking plan."""
        yield from checker.step_condition(raw.get("if"), (*path, "if"))
        yield from checker.templates({k: v for k, v in raw.items() if k != "if"}, path)


# --- steps within steps -----------------------------------------------------------------------------


class _AnySteps(BuiltLater):
    """Builds the schema of a list of steps when the form that holds it is first used, since steps hold steps."""

    @override
    def annotation(self) -> object:
        from whereupon.rules.steps import AnyStepForm  # noqa: PLC0415 - made of all forms, this one too

        any_step: Any = AnyStepForm
        return list[any_step]

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return handler.generate_schema(self.annotation())

    @override
    def __repr__(self) -> str:
        return "steps"


NestedSteps: TypeAlias = Annotated[list[StepForm], _AnySteps()]
"""The steps of an arm as they are written."""


def read_steps(forms: list[StepForm], reader: RuleReader, path: Path) -> Steps:
    """The steps of a list; ``path`` is the list's in the file."""
    return tuple(form.read(reader, (*path, i)) for i, form in enumerate(forms))
