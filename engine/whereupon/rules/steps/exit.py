"""The step `exit`: end the entry. It is written as a word alone."""

from dataclasses import dataclass

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema
from typing_extensions import override

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

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        word = core_schema.literal_schema([Leave.key])
        return core_schema.no_info_after_validator_function(lambda _: cls.model_construct(), word)

    @override
    def read(self, reader: RuleReader, path: Path) -> Leave:
        return Leave()
