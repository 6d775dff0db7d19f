"""What every kind of step says of itself, as a value and as it is written."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, ClassVar, cast

from pydantic import JsonValue

from whereupon.errors import Diagnostic
from whereupon.messages.model import MessageType
from whereupon.rules.form import Form
from whereupon.rules.rule_reader import Path, RuleReader

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker


class Step:
    """One step of a rule. A kind of step is a subclass; what other packages ask of any step stands here.

    Attributes:
        key: the word that the step has in a rule file.
        takes_time: whether the entry waits at the step.
    """

    __slots__ = ()

    key: ClassVar[str]
    takes_time: ClassVar[bool] = False

    @property
    def in_words(self) -> str:
        """What an entry does at the step: a verb and its object, such as ``sends push``."""
        raise NotImplementedError

    @property
    def messages_sent(self) -> tuple[tuple[MessageType, str], ...]:
        """The messages, by type and name, that the step sends into the engine."""
        return ()

    @property
    def attributes_set(self) -> Collection[str]:
        """The names of the attributes of the person that the step sets."""
        return ()


class StepForm(Form):
    """A kind of step as it is written: a mapping with the step's key, or the key alone as a word.

    Attributes:
        step: the class of the value.
        is_word: whether the step is written as its key alone.
        refused: keys that a step with content refuses, though they would be content.
        not_yet: keys that a later version of the step reads.
    """

    step: ClassVar[type[Step]]
    is_word: ClassVar[bool] = False
    refused: ClassVar[frozenset[str]] = frozenset()
    not_yet: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def example(cls) -> JsonValue:
        """A value of the step's key that no check refuses."""
        field = cls.model_fields.get(cls.step.key)
        return None if field is None or not field.examples else cast("JsonValue", field.examples[0])

    def read(self, reader: RuleReader, path: Path) -> Step:
        """The value; ``path`` is the step's in the file."""
        raise NotImplementedError

    @classmethod
    def check(
        cls, raw: dict[str, JsonValue], path: Path, checker: "PlanChecker"
    ) -> Iterator[Diagnostic]:
        """Check the names that are written in the step against the tracking plan."""
        return checker.templates(raw, path)
