"""The context in which a condition is parsed: what it may refer to, and what was parsed before it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from whereupon.conditions.clocks import DEFAULT_CLOCK, Clock
from whereupon.conditions.condition import Conjunct
from whereupon.conditions.validation import Path
from whereupon.conditions.values import RESULTS, ROOTS, JsonValue
from whereupon.errors import Diagnostic

ConjunctPool: TypeAlias = dict[tuple[str, str, str], tuple[Conjunct, ...]]
"""Conjuncts without a diagnostic, by root, timezone and clock, key, and the text of the value.

All conditions of a folder share one pool, so that equal parts are parsed once and kept once.
"""

UTC: Final = "UTC"
NO_TRIGGER: Final = (
    "no message triggers this; write it in the who of a rule that a message triggers"
)


@dataclass(frozen=True, slots=True)
class ParseContext:
    """What a condition may refer to, and the diagnostics that are found in it.

    Attributes:
        root: what the short form's paths start from; ``item`` inside of a list.
        segments: the raw ``who`` of each segment, by name.
        history_allowed: whether ``segment`` and ``performed`` may be used.
        zone: the timezone of dates without an offset that are compared with fixed instants.
        clock: the person's clock, which days go by.
        pool: conjuncts that were parsed before.
        in_steps: whether it is asked in a step, where ``run`` is what functions returned.
        untied: why there is no triggering message; None if there is one.
        trail: the segments that are being read, outermost first.
        parsed: the conjuncts of each segment that was parsed, or why it cannot be used.
        diagnostics: everything that was found so far.
    """

    root: Literal["properties", "person", "item"]
    segments: Mapping[str, JsonValue]
    history_allowed: bool
    zone: str = UTC
    clock: Clock = DEFAULT_CLOCK
    pool: ConjunctPool = field(default_factory=dict)
    untied: str | None = NO_TRIGGER
    in_steps: bool = False
    trail: tuple[str, ...] = ()
    parsed: dict[str, "tuple[Conjunct, ...] | Diagnostic"] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)

    @property
    def roots(self) -> tuple[str, ...]:
        """What ``logic`` sees."""
        return (*ROOTS, RESULTS) if self.in_steps else ROOTS

    def starts_at_root(self, name: str) -> bool:
        """Whether a path of the short form is meant from the root on: ``run.…`` in a step."""
        return self.in_steps and self.root != "item" and name.startswith(f"{RESULTS}.")

    def report(self, path: Path, code: str, message: str) -> None:
        """Note an error."""
        self.diagnostics.append(Diagnostic.at(path, code, message))

    def warn(self, path: Path, code: str, message: str) -> None:
        """Note a warning: the condition loads, but probably means something else."""
        self.diagnostics.append(Diagnostic.warning_at(path, code, message))
