"""Rule tests as values: what is given, what is expected, and what happened, in comparable form."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import JsonValue

from whereupon.errors import Diagnostic, Severity
from whereupon.messages.model import SenderClass
from whereupon.messages.times import format_duration
from whereupon.rules.loading import Positions


class EffectKind(StrEnum):
    """The kinds of effect, by the key that starts an item of a test."""

    ENTERED = "entered"
    SKIPPED = "skipped"
    DELIVERY = "delivery"
    WITHHELD = "withheld"
    REQUEST = "request"
    TRACKED = "tracked"
    EXITED = "exited"
    CONVERTED = "converted"
    RAN = "ran"
    ARM = "arm"
    HAS = "has"


@dataclass(frozen=True, slots=True)
class Effect:
    """An effect of a rule or a guard: expected by a test, or observed.

    Attributes:
        facts: ``person``, ``channel``, ``at`` and the like; an expected effect has only those that it names.
        content: the rendered keys of a delivery; an expected effect has only those that it names.
        because: a clause that says how an observed effect came about.
        aliases: of a fact of an observed effect, the other words that mean it.
        count: how many such effects there are to be, exactly; None for one among others.
    """

    kind: EffectKind
    facts: Mapping[str, JsonValue]
    content: Mapping[str, JsonValue] = field(default_factory=dict)
    because: str = ""
    aliases: Mapping[str, frozenset[str]] = field(default_factory=dict)
    count: int | None = None


@dataclass(frozen=True, slots=True)
class GivenMessage:
    """One message of a test.

    Attributes:
        at: when it arrives, from the test's start.
        happened: how much earlier it happened; zero if it arrives at once.
        wire: the message as a sender writes it, without its times.
        subject: the message in words, such as ``track purchase``.
        place: of its item in the test, counted from 1.
        turn: which of the messages that the item repeats it is, counted from 0.
    """

    at: timedelta
    happened: timedelta
    source: SenderClass
    wire: Mapping[str, JsonValue]
    subject: str
    place: int
    turn: int = 0

    @property
    def message_id(self) -> str:
        """Its id, if the item gives none."""
        return f"given-{self.place}-{self.turn}" if self.turn else f"given-{self.place}"

    def repeated(self, turn: int, every: timedelta) -> "GivenMessage":
        """The same message, ``turn`` times ``every`` later."""
        return replace(self, at=self.at + turn * every, turn=turn) if turn else self


@dataclass(frozen=True, slots=True)
class BroadcastCall:
    """The host triggers a broadcast, with the ``key`` and the ``properties`` that it gives."""

    at: timedelta
    broadcast: str
    key: str | None
    properties: Mapping[str, JsonValue]


class OperatorVerb(StrEnum):
    """What an operator may do between the messages of a test."""

    APPROVE = "approve"
    CANCEL = "cancel"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class OperatorAct:
    """An operator decides about a request, or closes a breaker.

    Attributes:
        verb: what the operator does.
        what: the action that was asked for; the guard file for `OperatorVerb.CLOSE`.
        person: the person whom the request is about; the newest request that waits counts.
        refused: the code with which the act is expected to be refused; None if it is expected to be allowed.
    """

    at: timedelta
    verb: OperatorVerb
    what: str
    person: str | None
    by: str
    refused: str | None

    @property
    def subject(self) -> str:
        """The act in words, such as ``approve Delete Person by lena``."""
        return f"{self.verb} {self.what} by {self.by}"


@dataclass(frozen=True, slots=True)
class RuleTest:
    """One test of a rule or a guard.

    Attributes:
        until: counts from ``start``; with None, all due work is done.
        arms: the arm that everybody takes of a split, by the split's name.
        functions: what functions of the host's return, by their names.
        holdout: whether everybody is held out, or nobody; None for what the holdout itself says.
    """

    name: str
    line: int
    start: datetime
    until: timedelta | None
    given: tuple[GivenMessage | OperatorAct | BroadcastCall, ...]
    expected: tuple[Effect, ...]
    arms: Mapping[str, str] = field(default_factory=dict)
    functions: Mapping[str, JsonValue] = field(default_factory=dict)
    holdout: bool | None = None


@dataclass(frozen=True, slots=True)
class RuleTestFile:
    """One file of tests. The tests of a file with an error are not run.

    Attributes:
        subject: the id that the file's name gives, of a rule or a guard.
        functions: what functions of the host's return in all of its tests, by their names.
    """

    name: str
    subject: str
    tests: tuple[RuleTest, ...] = ()
    functions: Mapping[str, JsonValue] = field(default_factory=dict)
    positions: Positions = field(default_factory=Positions)
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def is_broken(self) -> bool:
        """Whether one of its diagnostics is an error."""
        return any(d.severity is Severity.ERROR for d in self.diagnostics)


def offset(duration: timedelta) -> str:
    """A time from the start of a test, as test files write it: ``+2h10m``."""
    return f"+{format_duration(duration)}"
