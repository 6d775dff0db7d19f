"""What many rule files say alike, so that it is read once and kept once."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TypeVar, cast

from whereupon.conditions import Known
from whereupon.rules.model import Step

_Value = TypeVar("_Value", bound=Hashable)


@dataclass(frozen=True, slots=True)
class InternPool:
    """What the files that were read before say. One for a folder, let go of when that is loaded.

    Attributes:
        conjuncts: the conditions' parts.
        steps: the steps of rules without a problem in them, by what was written.
        values: triggers, policies and the like.
    """

    conjuncts: Known = field(default_factory=dict)
    steps: dict[str, tuple[Step, ...]] = field(default_factory=dict)
    values: dict[Hashable, Hashable] = field(default_factory=dict)

    def one(self, value: _Value) -> _Value:
        """The first of the values that are equal to this one."""
        return cast("_Value", self.values.setdefault(value, value))
