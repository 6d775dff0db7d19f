"""The key `approvals` of guard files: how many people must agree, and who may."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, Tag

from whereupon.messages.semantic_events import normalized
from whereupon.rules.field_types import Name
from whereupon.rules.form import Form, there
from whereupon.rules.rule_reader import RuleReader


@dataclass(frozen=True, slots=True)
class Approvals:
    """How many people must agree, and who may. The requester never may; ``by`` is None if all others may."""

    needed: int = 0
    by: tuple[str, ...] | None = None


NO_APPROVALS = Approvals()


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


def _tag(raw: object) -> str:
    return "<approvals>" if isinstance(raw, dict) else "<number>"


AnyApprovals: TypeAlias = Annotated[
    Annotated[int, Field(ge=0, le=9), Tag("<number>")]
    | Annotated[ApprovalsForm, Tag("<approvals>")],
    Discriminator(_tag),
]


def read_approvals(form: AnyApprovals | None, reader: RuleReader) -> Approvals:
    """What a guard file says of approvals; none by default."""
    if form is None:
        return NO_APPROVALS
    if isinstance(form, int):
        return Approvals(form)
    by = None if form.by is None else tuple(form.by)
    different = {normalized(name) for name in by or ()}
    if by is not None and len(different) < form.needed:
        message = f"{form.needed} must agree, and {len(different)} may: name more, or ask for fewer"
        reader.report(("approvals", "by"), "too-few-approvers", message)
    return Approvals(form.needed, by)
