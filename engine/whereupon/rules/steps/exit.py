"""The step `exit`: end the entry. It is written as a word alone, or as a mapping with its `if`."""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from typing_extensions import override

from whereupon.rules.form import invalid
from whereupon.rules.rule_reader import Path, RuleReader
from whereupon.rules.steps.step_form import Step, StepForm


@dataclass(frozen=True, slots=True)
class Leave(Step):
    """End the entry at this step."""

    key = "exit"

    @property
    @override
    def in_words(self) -> str:
        """How the entry ends."""
        return "ends by its exit step"


class LeaveForm(StepForm):
    """End the entry."""

    step = Leave
    is_word = True

    exit: Literal[True] = Field(
        description="Always true; for an exit that has an if or a name.",
        examples=[True],
    )

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, raw: object) -> object:
        if isinstance(raw, dict) and raw.get(Leave.key) is not True:
            raise invalid(code="unknown-step", text="write the step as - exit, with no colon")
        return {Leave.key: True} if raw == Leave.key else raw

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        written = handler.resolve_ref_schema(handler(schema))
        return {"anyOf": [{"const": Leave.key, "description": cls.__doc__}, written]}

    @override
    def read_step(self, reader: RuleReader, path: Path) -> Leave:
        return Leave()
