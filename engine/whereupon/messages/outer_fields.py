"""The fields of a body that the door asks for before it is divided into messages: the write key, and the type.

Clients of browsers and apps send the write key in the body, often behind the messages. A message at a path such as
``/v1/track`` may lack its type, which the path names.
"""

import re
from functools import lru_cache
from typing import Any

import msgspec

from whereupon.messages.codec import JsonError, decode_leniently
from whereupon.messages.json_scan import elements, object_members


class OuterFields(msgspec.Struct, rename="camel", gc=False):
    """The fields; None where a body does not have one. A body that cannot be read has none."""

    write_key: Any = None  # any JSON value: only a text can be a key
    type: Any = None
    batch: msgspec.Raw = msgspec.Raw()

    @property
    def has_batch(self) -> bool:
        """Whether the body is a batch, which holds messages."""
        return bytes(self.batch)[:1] == b"["

    @property
    def count(self) -> int:
        """How many messages it holds; a batch within it counts as one."""
        if not self.has_batch:
            return 1
        try:
            return len(_ITEMS.decode(self.batch))
        except (ValueError, RecursionError):
            return _count_leniently(bytes(self.batch))


def _count_leniently(batch: bytes) -> int:
    try:
        return sum(1 for _ in elements(batch))
    except JsonError:
        return 1


_READER = msgspec.json.Decoder(OuterFields)
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_NEAR = 1_000
"""Bytes at the end of a body in which a last member is looked for."""
_LAST = re.compile(rb',\s*+"writeKey"\s*+:\s*+"([\w.\-]*+)"\s*+\}\s*+\Z')
_FIRST = re.compile(rb'\s*+\{\s*+"writeKey"\s*+:\s*+"([\w.\-]*+)"\s*+,')
UNREADABLE = OuterFields(type=False)
"""What is known of a body that is not a JSON object; it gets no type."""


def outer_fields(body: bytes) -> OuterFields:
    """The fields at the top level of a JSON object; of a body that is not one, `UNREADABLE`.

    A body that is only almost JSON, such as one with half an emoji, is read as `batch_items` reads it.
    """
    try:
        if not body.isascii():
            body.decode()
        return _READER.decode(body)
    except (ValueError, RecursionError):  # the reader's own errors are ValueErrors, too
        return _from_members(object_members(body.strip()) or {})


def _from_members(members: dict[str, bytes]) -> OuterFields:
    if not members:
        return UNREADABLE
    try:
        key, type_ = (decode_leniently(members.get(name, b"null")) for name in ("writeKey", "type"))
    except JsonError:
        return UNREADABLE
    return OuterFields(write_key=key, type=type_, batch=msgspec.Raw(members.get("batch", b"")))


def write_key_in(body: bytes) -> str:
    """The ``writeKey`` of a body; empty if there is none that is a text.

    Clients write it as the last member, or as the first; then the body is not read for it.
    """
    found = _LAST.search(body, max(0, len(body) - _NEAR)) or _FIRST.match(body)
    if found is not None:
        return found[1].decode("ascii", "replace")
    key = outer_fields(body).write_key
    return key if isinstance(key, str) else ""


def with_type(body: bytes, fields: OuterFields, type_: str) -> bytes:
    """A message with a type, unless it has one; a batch stays as it is, since each of its messages has its own."""
    if fields.type is not None or fields.has_batch:
        return body
    before = body.rstrip()[:-1].rstrip()
    comma = "" if before.endswith(b"{") else ","
    return before + f'{comma}"type":"{type_}"}}'.encode()


def without_key(body: bytes, secret: str) -> bytes:
    """A body without its members ``writeKey`` that hold the secret, so that it is not stored with the messages."""
    if secret.encode() not in body:
        return body
    return _members_with(secret).sub(b"", body)


@lru_cache(maxsize=64)
def _members_with(secret: str) -> re.Pattern[bytes]:
    """Finds such members; the quotes of JSON text within a string are escaped, so nothing else looks like one."""
    member = rb'"writeKey"\s*+:\s*+"' + re.escape(secret.encode()) + rb'"'
    return re.compile(rb",\s*+" + member + rb"|" + member + rb"\s*+,?+")
