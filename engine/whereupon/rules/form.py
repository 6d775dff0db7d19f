"""What all forms of rule files share: the base class, and how a check says what is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import LiteralString

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


class Form(BaseModel):
    """A mapping of a rule file as it is written: only known keys, and no value converted.

    pydantic builds the validator of a form when the form is first used. A process that reads no rule
    file imports the forms beside the values and pays nothing for it.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class BuiltLater:
    """Stands in the annotation of a field whose type is known only when all forms are there."""

    def annotation(self) -> object:
        """The type of the field."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class IfMissing:
    """What to say if a required key of a form is missing. It stands in the annotation of the field."""

    sentence: str
    code: str = "missing-key"


def shown(value: object) -> str:
    """A value as an error message names it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text {value[:60]!r}"
        case Mapping():
            return "a mapping"
        case _:
            return "a list"


def invalid(*, code: LiteralString, text: LiteralString, **facts: str) -> PydanticCustomError:
    """A pydantic error whose type is a code of ours; ``{fact}`` in the text stands for that fact."""
    return PydanticCustomError(code, text, facts)


def there(value: object) -> object:
    """Refuse a key with nothing after it, which YAML reads as null."""
    if value is None:
        raise invalid(code="wrong-type", text="nothing is written here: give it a value")
    return value
