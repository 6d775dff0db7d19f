"""The audit log: its rows, the receipt of a request, and whether it is as it was written."""

from typing import Annotated, Literal

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field, JsonValue

from whereupon.operations.audit_log import Receipt
from whereupon.records import AuditRow, Scope
from whereupon.web.management.forms import (
    DEFAULT_LIMIT,
    Form,
    KeyCursor,
    Limit,
    Number,
    Page,
    RowNumber,
    page,
    plain_object,
)
from whereupon.web.management.routing import EngineGiven, needs, router

routes = router("audit")


class AuditRowShown(BaseModel):
    """A row of the log.

    Attributes:
        record: what happened, as it can be read; ``hashed`` is the text that the hash is of.
    """

    sequence: int
    previous: str
    record: dict[str, JsonValue]
    hashed: str
    hash: str


def _shown(row: AuditRow) -> AuditRowShown:
    return AuditRowShown(
        sequence=row.sequence,
        previous=row.previous,
        record=plain_object(row.facts),
        hashed=row.record,
        hash=row.hash,
    )


@routes.get("/audit", **needs(Scope.VIEWER))
def list_audit_rows(
    engine: EngineGiven,
    order: Annotated[
        Literal["newest", "oldest"], Query(description="Which row comes first.")
    ] = "newest",
    request: Annotated[
        int | None, Query(ge=1, le=2**53, description="Only rows about this request.")
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: KeyCursor = None,
) -> Page[AuditRowShown]:
    """The rows of the log, about one request or all."""
    place = None if cursor is None else int(cursor)
    if request is not None:
        rows = _placed(engine.audit.rows_of(request), order, place)
    elif order == "oldest":
        rows = engine.audit.page(after=place or 0, limit=limit + 1)
    else:
        rows = engine.audit.newest(limit=limit + 1, before=place)
    return page(rows[: limit + 1], limit, _shown, lambda row: str(row.sequence))


def _placed(rows: tuple[AuditRow, ...], order: str, place: int | None) -> list[AuditRow]:
    if order == "oldest":
        return [row for row in rows if row.sequence > (place or 0)]
    return [row for row in reversed(rows) if place is None or row.sequence < place]


class HeadGiven(Form):
    """The end of the log as somebody kept it elsewhere; null if nobody did.

    Attributes:
        sequence, hash: of the last row then.
    """

    sequence: RowNumber = Field(examples=[17])
    hash: str = Field(max_length=200, examples=["9f86d081884c7d65"])


class VerifyAsked(Form):
    """What to hold the log to."""

    kept: HeadGiven | None = Field(default=None)


class HeadShown(BaseModel):
    """The end of the log. Keep it elsewhere, to find out later whether rows were removed."""

    sequence: int
    hash: str


class FlawShown(BaseModel):
    """A row that is not as it was written."""

    sequence: int
    code: str
    message: str


class Verified(BaseModel):
    """Whether the log is as it was written."""

    is_intact: bool
    flaws: list[FlawShown]
    head: HeadShown | None


@routes.post("/audit/verify", **needs(Scope.VIEWER, 400, only_reads=True))
def verify_audit(asked: VerifyAsked, engine: EngineGiven) -> Verified:
    """Verify the whole log: its chain, its seal, and a head that was kept elsewhere. It reads every row."""
    kept = None if asked.kept is None else (asked.kept.sequence, asked.kept.hash)
    flaws, head = engine.audit.verify(kept=kept), engine.audit.head()
    return Verified(
        is_intact=not flaws,
        flaws=[
            FlawShown(sequence=each.sequence, code=each.code, message=each.message)
            for each in flaws[:100]
        ],
        head=None if head is None else HeadShown(sequence=head.sequence, hash=head.hash),
    )


class ReceiptShown(BaseModel):
    """The proof of what was done about one request.

    Attributes:
        person: a keyed hash of the user id.
        text: the receipt in words, to print.
    """

    request: int
    action: str
    outcome: str
    asked_at: AwareDatetime
    done_at: AwareDatetime
    person: str | None
    counts: dict[str, JsonValue]
    agreed: list[str]
    sequence: int
    hash: str
    text: str


@routes.get("/audit/receipts/{request}", **needs(Scope.VIEWER, 404))
def get_receipt(request: Number, engine: EngineGiven) -> ReceiptShown:
    """The receipt of one request, as of now."""
    found: Receipt = engine.audit.receipt(request)
    return ReceiptShown.model_validate(
        {
            "request": found.request,
            "action": found.action,
            "outcome": found.outcome,
            "asked_at": found.asked_at,
            "done_at": found.done_at,
            "person": found.person,
            "counts": dict(found.counts),
            "agreed": list(found.agreed),
            "sequence": found.sequence,
            "hash": found.hash,
            "text": found.text,
        }
    )
