"""Guard files: what must hold before an action on a person runs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field, JsonValue
from typing_extensions import override

from whereupon.conditions import Condition
from whereupon.errors import Diagnostic
from whereupon.messages.model import MessageType
from whereupon.messages.semantic_events import ERASING, ActionName, normalized
from whereupon.messages.times import ZERO
from whereupon.rules.field_types import Id, MaybeDuration, Name
from whereupon.rules.files.file_form import FileForm
from whereupon.rules.form import there
from whereupon.rules.keys.approvals import NO_APPROVALS, AnyApprovals, Approvals, read_approvals
from whereupon.rules.keys.limits import Limit, LimitText, read_limits
from whereupon.rules.keys.max_age import DEFAULT_MAX_AGE
from whereupon.rules.keys.protect import ProtectForm, check_protect, read_protect
from whereupon.rules.reserved import ACTION_EVENTS, action_of
from whereupon.rules.rule_reader import RuleReader
from whereupon.rules.spelling import nearest

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker

DEFAULT_EXPIRY = timedelta(days=30)


class Consent(StrEnum):
    """What a guard file says of one class of sender."""

    RUN = "run"
    HOLD = "hold"
    REFUSE = "refuse"


class Aftermath(StrEnum):
    """What a deletion does to later messages of the deleted person."""

    LATE = "late"
    """What happened before it is ignored; what happens after makes a new, empty person."""
    IGNORE = "ignore"
    """All messages are ignored, until the person is unsuppressed."""


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard file: what must hold before its actions run.

    Attributes:
        sources: what becomes of a request, by the class of its sender (a `SenderClass` value).
        enabled: whether the actions run here at all.
        protect: no action is done to a person who meets one of these conditions.
        cool_off: how long a request waits before it runs, and can be cancelled.
        expires_after: how long a held request waits for approvals before it expires.
    """

    id: str
    description: str
    actions: tuple[str, ...]
    sources: Mapping[str, Consent]
    stale_after: timedelta = DEFAULT_MAX_AGE
    enabled: bool = True
    protect: tuple[Condition, ...] = ()
    limits: tuple[Limit, ...] = ()
    approvals: Approvals = NO_APPROVALS
    cool_off: timedelta = ZERO
    expires_after: timedelta = DEFAULT_EXPIRY
    tombstone: Aftermath = Aftermath.LATE


class GuardForm(FileForm):
    """A guard: what must hold before an action on a person runs."""

    description: str = Field(
        default="",
        description="What the file is for, in one sentence.",
        examples=["Who may have a person deleted."],
    )
    guard: Id = Field(
        description="The id, which is the file's name without its ending.", examples=["deletions"]
    )
    actions: list[Name] = Field(
        min_length=1,
        description="The actions that it guards, by their names.",
        examples=[["Delete Person"]],
    )
    enabled: bool = Field(
        default=True, description="Whether these actions run here at all.", examples=[False]
    )
    sources: dict[Literal["server", "client"], Literal["run", "hold", "refuse"]] = Field(
        default_factory=dict,
        description="What becomes of a request by who sends it: run, hold (until a person agrees) or "
        "refuse. A server's runs and a client's is held by default; a client may delete the "
        "person's own device.",
        examples=[{"server": "run", "client": "refuse"}],
    )
    stale_after: MaybeDuration = Field(
        default=None,
        description="How old a request may be when it arrives; 72h by default.",
        examples=["72h"],
    )
    protect: ProtectForm = Field(
        default=None,
        description="A condition over the person, or a list of them: nothing is done to people who meet one.",
        examples=[{"staff": True}, [{"staff": True}, {"legal_hold": True}]],
    )
    limits: list[LimitText] = Field(
        default_factory=list,
        description="How many may run in a time; past that the breaker opens, and all others are held.",
        examples=[["50 per 1h", "1% per 1d", "20 per 1h by source"]],
    )
    approvals: Annotated[AnyApprovals | None, BeforeValidator(there)] = Field(
        default=None,
        description="How many people must agree, and who may; the one who asked never may.",
        examples=[1, {"needed": 2, "by": ["lena", "omar", "yuki"]}],
    )
    cool_off: MaybeDuration = Field(
        default=None,
        description="How long a request waits before it runs, so that it can be cancelled; 0s by default.",
        examples=["7d"],
    )
    expires_after: MaybeDuration = Field(
        default=None,
        description="How long a held request waits for people to agree; 30d by default.",
        examples=["30d"],
    )
    tombstone: Literal["late", "ignore"] = Field(
        default="late",
        description="Which later messages of a deleted person are ignored: those of what happened "
        "before the deletion (late), or all (ignore).",
        examples=["ignore"],
    )

    @override
    def read(self, reader: RuleReader) -> Guard:
        """An unknown action that resembles a built-in one is an error."""
        for i, action in enumerate(self.actions):
            if action not in ACTION_EVENTS and (hint := _action_hint(action)):
                message = f"there is no action {action!r}{hint}"
                reader.report(("actions", i), "unknown-action", message)
        actions = tuple(self.actions)
        return Guard(
            id=self.guard,
            description=self.description,
            actions=actions,
            sources={str(source): Consent(consent) for source, consent in self.sources.items()},
            stale_after=DEFAULT_MAX_AGE if self.stale_after is None else self.stale_after,
            enabled=self.enabled,
            protect=tuple(read_protect(self.protect, reader)),
            limits=tuple(read_limits(self.limits, guard=self.guard, actions=actions)),
            approvals=read_approvals(self.approvals, reader),
            cool_off=self.cool_off or ZERO,
            expires_after=DEFAULT_EXPIRY if self.expires_after is None else self.expires_after,
            tombstone=Aftermath(self.tombstone),
        )

    @override
    @classmethod
    def check(cls, source: Mapping[str, JsonValue], checker: "PlanChecker") -> Iterator[Diagnostic]:
        """The conditions of `protect`."""
        return check_protect(source.get("protect"), checker)


def _action_hint(action: str) -> str:
    """A hint if the name resembles a built-in action. Any other name may be an action of the host's."""
    if normalized(action) == MessageType.ALIAS:
        return f"; did you mean {str(ActionName.MERGE_PEOPLE)!r}?"
    meant = action_of(action)
    return f"; did you mean {meant!r}?" if meant else nearest(action, ACTION_EVENTS)


# --- legal, and yet likely a mistake ----------------------------------------------------------------


def lint_guard(guard: Guard) -> Iterator[Diagnostic]:
    """Every warning about a guard file."""
    if not guard.description.strip():
        message = "say in one sentence what this guard is for: add description:"
        yield Diagnostic.warning_at((), "no-description", message)
    erasing = [name for name in guard.actions if name in ERASING]
    if erasing and guard.sources.get("client") is Consent.RUN:
        message = "a browser's write key is public: with client: run, any visitor can have any person deleted"
        yield Diagnostic.warning_at(("sources", "client"), "client-may-erase", message)
    if guard.expires_after < guard.cool_off:
        message = "expires_after is shorter than cool_off, which a request waits out first, so it has no effect"
        yield Diagnostic.warning_at(("expires_after",), "expires-too-soon", message)
