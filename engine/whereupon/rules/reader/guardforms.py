"""The form of a guard file as it is written."""

import re
from datetime import timedelta
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    WithJsonSchema,
)

from whereupon.messages.times import ZERO, parse_duration
from whereupon.rules.fields import Id, MaybeDuration, Name
from whereupon.rules.form import Form, invalid, shown, there
from whereupon.rules.model import Scope

_LIMIT = re.compile(r"(\d{1,9}(?:\.\d{1,4})?)(%?) per (\S+)(?: by (action|source))?")
_PERCENT = 100
_LIMIT_SHAPE = (
    r"^(\d{1,9}|(?=[^%]*[1-9])0{0,6}(\d{1,2}(\.\d{1,4})?|100(\.0{1,4})?)%)"
    r" per (?=[^ ]*[1-9])(\d{1,9}[smhd])+( by (action|source))?$"
)
_PROTECT: dict[str, JsonValue] = {
    "anyOf": [
        {"x-ref": "#/$defs/Condition"},
        {"type": "array", "items": {"x-ref": "#/$defs/Condition"}},
    ]
}


def _limit(text: str) -> str:
    """Check a limit's words; they are taken apart when the guard is read."""
    if limit_parts(text) is None:
        raise invalid(
            code="bad-limit",
            text="a limit is a number or a share of all people, and a time, such as 50 per 1h, "
            "1% per 1d, or 20 per 1h by source; this is {found}",
            found=shown(text),
        )
    return text


def limit_parts(text: str) -> tuple[int | None, float | None, timedelta, Scope] | None:
    """A limit's number, or share, then its window and what counts together; None where it is none."""
    found = _LIMIT.fullmatch(text)
    if found is None:
        return None
    amount, percent, span, scope = found.groups()
    per = parse_duration(span)
    share = float(amount) if percent else None
    if per is None or per <= ZERO or (share is not None and not 0 < share <= _PERCENT):
        return None
    if share is None and "." in amount:
        return None
    most = int(amount) if share is None else None
    return most, share, per, Scope(scope) if scope else Scope.TOTAL


class ApprovalsForm(Form):
    """How many must agree, and who may."""

    needed: int = Field(
        default=1,
        ge=0,
        le=9,
        description="How many people must agree; with 0 only what sources holds needs one.",
        examples=[2],
    )
    by: Annotated[Annotated[list[Name], Field(min_length=1)] | None, BeforeValidator(there)] = (
        Field(
            default=None,
            description="Who may agree; without it any person except the one who asked.",
            examples=[["lena", "omar"]],
        )
    )


GUARD_FORMS: dict[str, type[Form]] = {"approvals": ApprovalsForm}


def _approvals_tag(raw: object) -> str:
    return "<approvals>" if isinstance(raw, dict) else "<number>"


LimitText = Annotated[
    Name,
    AfterValidator(_limit),
    Field(json_schema_extra={"pattern": _LIMIT_SHAPE}),
]
ApprovalsChoice: TypeAlias = Annotated[
    Annotated[int, Field(ge=0, le=9), Tag("<number>")]
    | Annotated[ApprovalsForm, Tag("<approvals>")],
    Discriminator(_approvals_tag),
]


class GuardForm(Form):
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
    protect: Annotated[JsonValue, BeforeValidator(there), WithJsonSchema(_PROTECT)] = Field(
        default=None,
        description="A condition over the person, or a list of them: nothing is done to people who meet one.",
        examples=[{"staff": True}, [{"staff": True}, {"legal_hold": True}]],
    )
    limits: list[LimitText] = Field(
        default_factory=list,
        description="How many may run in a time; past that the breaker opens, and all others are held.",
        examples=[["50 per 1h", "1% per 1d", "20 per 1h by source"]],
    )
    approvals: Annotated[ApprovalsChoice | None, BeforeValidator(there)] = Field(
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
