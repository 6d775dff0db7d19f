"""The audit log: its rows, heads, flaws and receipts, as lines for people and as JSON."""

from whereupon.guards.audit_chain import Flaw
from whereupon.operations.audit_log import Receipt
from whereupon.records import AuditHead, AuditRow
from whereupon.render.formatting import clean
from whereupon.render.records import JsonObject

_SHORT_HASH = 12
_SHOWN_FACTS = (
    "action",
    "key",
    "guard",
    "rule",
    "run_at",
    "entry",
    "entries",
    "from",
    "to",
    "outcome",
    "reason",
    "limit",
    "actor",
    "requester",
    "error",
)


def audit_line(row: AuditRow) -> str:
    """One row: its time, what happened, to which request, by whom and why."""
    facts = row.facts
    parts = [str(row.sequence), str(facts.get("at")), str(facts.get("kind"))]
    if facts.get("request"):
        parts.append(f"request {facts['request']}")
    parts += [f"{name} {clean(str(facts[name]))}" for name in _SHOWN_FACTS if name in facts]
    return "  ".join([*parts, row.hash[:_SHORT_HASH]])


def audit_object(row: AuditRow) -> JsonObject:
    """A row, with its record both as JSON and as the text that was hashed."""
    return {
        "kind": "audit",
        "sequence": row.sequence,
        "previous": row.previous,
        "record": row.facts,
        "hashed": row.record,
        "hash": row.hash,
    }


def head_object(head: AuditHead) -> JsonObject:
    """The end of the log; ``audit verify --head SEQUENCE:HASH`` compares the log with it."""
    return {"kind": "head", "sequence": head.sequence, "hash": head.hash, "seal": head.seal}


def flaw_object(flaw: Flaw) -> JsonObject:
    """A row that is not as it was written."""
    return {
        "kind": "flaw",
        "sequence": flaw.sequence,
        "code": flaw.code,
        "message": flaw.message,
    }


def receipt_object(receipt: Receipt) -> JsonObject:
    """The receipt of a request that ran."""
    return {
        "kind": "receipt",
        "request": receipt.request,
        "action": receipt.action,
        "outcome": receipt.outcome,
        "asked_at": receipt.asked_at,
        "done_at": receipt.done_at,
        "person": receipt.person,
        "counts": dict(receipt.counts),
        "agreed": receipt.agreed,
        "sequence": receipt.sequence,
        "hash": receipt.hash,
    }
