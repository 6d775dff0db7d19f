"""What is answered, in the forms that the clients of Customer.io show: exactly 200, or an error in ``meta``.

The Node client shows ``meta.error`` and ``meta.errors`` and nothing else; the Track API v2 has ``errors`` beside
them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from whereupon.messages.codec import encode
from whereupon.web.http import Answer

Header = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with a call, or with one item of a batch.

    Attributes:
        code: stable and kebab-case, such as ``missing-id``.
        reason: one sentence that says what is accepted.
        field: where it is in what was sent, such as ``identifiers.id``; empty if it is about the whole.
        status: of the answer.
    """

    code: str
    reason: str
    field: str = ""
    status: int = 400

    def as_item(self, index: int | None = None) -> dict[str, JsonValue]:
        """The fault as the Track API v2 lists it."""
        place: dict[str, JsonValue] = {} if index is None else {"batch_index": index}
        return {**place, "reason": self.code, "field": self.field, "message": self.reason}


class RefusedError(Exception):
    """A call cannot be done; ``fault`` says why."""

    def __init__(
        self,
        *,
        code: str,
        reason: str,
        field: str = "",
        status: int = 400,
        headers: Sequence[Header] = (),
    ) -> None:
        self.fault = Fault(code=code, reason=reason, field=field, status=status)
        self.headers = tuple(headers)
        super().__init__(reason)


def done(said: Mapping[str, JsonValue] | None = None, notes: Sequence[str] = ()) -> Answer:
    """200 with an object; ``notes`` are sentences about what a caller may not expect."""
    body: dict[str, JsonValue] = dict(said or {})
    if notes:
        body["meta"] = {"notes": list(notes)}
    return said_as_json(200, body)


def refused(fault: Fault, *headers: Header) -> Answer:
    """The answer to a call that cannot be done."""
    return said_as_json(fault.status, _error(fault), *headers)


def refused_for_all(faults: Mapping[int | None, Fault], *, status: int) -> Answer:
    """The answer that lists what is wrong with the items of a batch, or with one entity.

    Args:
        faults: by the places of the items; None for an entity that came alone.
        status: 400, or 207 if other items are in.
    """
    first = next(iter(faults.values()))
    items: list[JsonValue] = [fault.as_item(index) for index, fault in faults.items()]
    shown: list[JsonValue] = [
        fault.reason if index is None else f"batch[{index}]: {fault.reason}"
        for index, fault in faults.items()
    ]
    body: dict[str, JsonValue] = {**_error(first), "errors": items}
    body["meta"] = {"error": first.reason} if len(shown) == 1 else {"errors": shown}
    return said_as_json(status, body)


def _error(fault: Fault) -> dict[str, JsonValue]:
    return {
        "code": fault.code,
        "message": fault.reason,
        "error": fault.reason,
        "field": fault.field,
        "meta": {"error": fault.reason},
    }


def said_as_json(status: int, body: Mapping[str, JsonValue], *headers: Header) -> Answer:
    """An answer with a JSON object, which nobody keeps."""
    own = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
    return Answer(status=status, headers=(*own, *headers), body=encode(dict(body)))
