"""What a call asks: the parts of its path, and the object in its body."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

from pydantic import JsonValue

from whereupon.messages.codec import DeepJsonError, JsonError, decode, decode_leniently
from whereupon.messages.semantic_events import id_in
from whereupon.web.customerio.answers import RefusedError
from whereupon.web.http import Answer, Request

Body: TypeAlias = Mapping[str, JsonValue]

_LONGEST_KEY = 200
_ESCAPES = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class Asked:
    """One call.

    Attributes:
        request: as it came.
        text: its body, inflated.
        now: when it came.
    """

    request: Request
    text: bytes
    now: datetime

    @cached_property
    def body(self) -> Body:
        """The object in the body; empty without a body. Raises `RefusedError`."""
        if not self.text.strip():
            return {}
        read = _read(self.text)
        if not isinstance(read, dict):
            raise RefusedError(code="not-an-object", reason="the body must be a JSON object")
        return read

    @property
    def count(self) -> int:
        """How many messages it counts for under the limit of a key: the entities of a batch, or one."""
        batch = self.body.get("batch") if self.request.path.startswith("/api/v2/") else None
        return len(batch) if isinstance(batch, list) and batch else 1

    @property
    def key(self) -> str | None:
        """The header ``Idempotency-Key``; None without one. Raises `RefusedError` if it is too long."""
        key = self.request.headers.get("idempotency-key", "").strip()
        if len(key) > _LONGEST_KEY:
            reason = f"the header Idempotency-Key has at most {_LONGEST_KEY} characters"
            raise RefusedError(code="bad-key", reason=reason)
        return key or None

    def query(self, name: str) -> str | None:
        """The first field of that name in the query; None if there is none. Raises `RefusedError`."""
        try:
            fields = self.request.query_fields()
        except ValueError:
            raise RefusedError(code="bad-query", reason="the query has too many fields") from None
        return next((value for each, value in fields if each == name), None)


Call: TypeAlias = Callable[[Asked], Answer]

Calls: TypeAlias = Mapping[str, Call]
"""What answers at one path, by method."""


def _read(text: bytes) -> JsonValue:
    try:
        return decode(text)
    except DeepJsonError:
        raise RefusedError(
            code="too-deep", reason="the body nests too many objects and lists"
        ) from None
    except JsonError:
        pass
    try:
        return decode_leniently(text)
    except JsonError as error:
        raise RefusedError(code="bad-json", reason=f"the body is not JSON: {error}") from None


def parts_of(path: str) -> list[str]:
    """The parts of a raw path between its slashes, each percent-decoded (RFC 3986, section 2.1).

    A slash at the end does not count. So an id may hold ``%2F``.

    Raises:
        RefusedError: a ``%`` begins no escape, or the bytes are not UTF-8.
    """
    parts = path.removesuffix("/").split("/")[1:]
    return [_decoded(part) for part in parts]


def _decoded(part: str) -> str:
    fault = RefusedError(
        code="bad-path",
        reason="the path holds a % that begins no escape of UTF-8; send ids percent-encoded",
    )
    if _ESCAPES.search(part):
        raise fault
    try:
        return unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        raise fault from None


# --- fields -----------------------------------------------------------------------------------------


def object_in(body: Body, name: str, place: str = "") -> dict[str, JsonValue]:
    """An object among the fields; empty if there is none. Raises `RefusedError` for anything else."""
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RefusedError(
            code="bad-field", reason=f"{place}{name} must be an object", field=f"{place}{name}"
        )
    return value


def objects_in(body: Body, name: str) -> list[dict[str, JsonValue]]:
    """A list of objects among the fields; empty if there is none. Raises `RefusedError` for anything else."""
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise RefusedError(code="bad-field", reason=f"{name} must be a list of objects", field=name)
    found: list[dict[str, JsonValue]] = []
    for place, each in enumerate(value):
        if not isinstance(each, dict):
            raise RefusedError(
                code="bad-field",
                reason=f"{name} must be a list of objects",
                field=f"{name}[{place}]",
            )
        found.append(each)
    return found


def id_at(body: Body, name: str, place: str = "") -> str | None:
    """An id among the fields: a text or a number, as text; None if there is none. Raises `RefusedError`."""
    value = body.get(name)
    if value is None or value == "":
        return None
    text = id_in(value)
    if text is None:
        reason = f"{place}{name} must be a text or a number"
        raise RefusedError(code="bad-field", reason=reason, field=f"{place}{name}")
    return text


def required_id(body: Body, name: str, place: str = "") -> str:
    """An id that has to be there; raises `RefusedError`."""
    text = id_at(body, name, place)
    if text is None:
        raise RefusedError(
            code="missing-field", reason=f"{place}{name} is required", field=f"{place}{name}"
        )
    return text


def flag_in(body: Body, name: str) -> bool:
    """A boolean among the fields, false if there is none; raises `RefusedError` for anything else."""
    value = body.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise RefusedError(code="bad-field", reason=f"{name} must be true or false", field=name)
    return value
