"""Rule tests as values: what is given, what is expected, and what happened, in comparable form."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import JsonValue

from whereupon.errors import Diagnostic, Severity
from whereupon.messages.model import SenderClass
from whereupon.messages.times import format_duration
from whereupon.rules.loading import Positions


class EffectKind(StrEnum):
    """What a test can expect, by the key that its item starts with."""

    ENTERED = "entered"
    SKIPPED = "skipped"
    DELIVERY = "delivery"
    WITHHELD = "withheld"
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that a test expects, or that happened.

    Attributes:
        facts: ``person``, ``channel``, ``at`` and the like; of an expectation only those that it names.
        content: of a delivery, its rendered keys; of an expectation only those that it names.
        because: of what happened, how it came about, as a clause.
    """

    kind: EffectKind
    facts: Mapping[str, JsonValue]
    content: Mapping[str, JsonValue] = field(default_factory=dict)
    because: str = ""


@dataclass(frozen=True, slots=True)
class GivenMessage:
    """One message of a test.

    Attributes:
        at: when it arrives, from the test's start.
        happened: how much earlier it happened; zero for at once.
        wire: the message as a sender would put it, without its times.
        subject: the message in words, such as ``track purchase``.
    """

    at: timedelta
    happened: timedelta
    source: SenderClass
    wire: Mapping[str, JsonValue]
    subject: str


@dataclass(frozen=True, slots=True)
class BroadcastCall:
    """The host calls up a broadcast, with the ``key`` and the ``properties`` that it gives."""

    at: timedelta
    broadcast: str
    key: str | None
    properties: Mapping[str, JsonValue]


class OperatorVerb(StrEnum):
    """What a person may do between the messages of a test."""

    APPROVE = "approve"
    CANCEL = "cancel"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class OperatorAct:
    """Somebody decides something.

    Attributes:
        what: the action that was asked for; of `OperatorVerb.CLOSE` the guard file.
        person: whose request; the newest that waits.
        refused: the code with which it is expected to be refused; None where it is expected to go.
    """

    at: timedelta
    deed: OperatorVerb
    what: str
    person: str | None
    by: str
    refused: str | None

    @property
    def subject(self) -> str:
        """In words, such as ``approve Delete Person by lena``."""
        return f"{self.deed} {self.what} by {self.by}"


@dataclass(frozen=True, slots=True)
class RuleTest:
    """One test of a rule or a guard; ``until`` counts from ``start``, None for the end of all work."""

    name: str
    line: int
    start: datetime
    until: timedelta | None
    given: tuple[GivenMessage | OperatorAct | BroadcastCall, ...]
    expected: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class RuleTestFile:
    """One file of tests; those of a file with an error are not to be run.

    Attributes:
        subject: the id that the file's name gives, of a rule or a guard.
    """

    name: str
    subject: str
    tests: tuple[RuleTest, ...] = ()
    positions: Positions = field(default_factory=Positions)
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def is_broken(self) -> bool:
        """Whether one of its diagnostics is an error."""
        return any(d.severity is Severity.ERROR for d in self.diagnostics)


def offset(duration: timedelta) -> str:
    """A time from the start of a test, as test files write it: ``+2h10m``."""
    return f"+{format_duration(duration)}"
