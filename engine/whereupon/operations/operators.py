"""What every decision of an operator needs: a name, and a record for the audit log."""

from datetime import datetime

from pydantic import JsonValue

from whereupon.errors import OperationError
from whereupon.messages.semantic_events import normalized
from whereupon.records import AuditRecord

_LONGEST = 200


def checked_name(by: str, about: str) -> str:
    """An operator's name, without white space around it.

    Args:
        by: the name.
        about: what the decision is about.

    Raises:
        OperationError: it names nobody, or is longer than 200 characters (``no-actor``).
    """
    if not normalized(by) or len(by) > _LONGEST:
        reason = f"say who decides this, by a name of at most {_LONGEST} characters"
        raise OperationError(code="no-actor", name=about, reason=reason)
    return by.strip()


def operator_record(kind: str, by: str, at: datetime, **facts: JsonValue) -> AuditRecord:
    """A decision of an operator for the audit log; the facts name no person but the operator."""
    return AuditRecord(at, 0, {"kind": kind, "actor": by, **facts})
