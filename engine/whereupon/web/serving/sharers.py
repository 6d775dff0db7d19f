"""Whose a request is, as far as that can be told before it is answered: by the keys that asked before."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import TypeVar

from whereupon.records.api_keys import KeyKind
from whereupon.web.door.limits import network_of
from whereupon.web.http import Counted
from whereupon.web.serving.budget import Sharer

T = TypeVar("T")

_MANAGEMENT, _SERVER = KeyKind.MANAGEMENT.value, KeyKind.SERVER.value
_MOST = 10_000
"""Keys that are remembered, the last that asked."""
_IN_QUERY = b"writeKey="
_IN_BODY = b'"writeKey"'
_LONGEST = 600
"""Bytes that are looked at for a key in a body."""


class Sharers:
    """Remembers what brought which key, as hashes.

    It decides whose turn it is, and nothing else: whether a key is good is asked when the request is answered.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Sharer] = OrderedDict()
        self._operators: OrderedDict[bytes, None] = OrderedDict()

    def find(self, mark: bytes | None, address: str) -> Sharer:
        """Who sends a request with such a mark from an address."""
        known = self._known.get(mark) if mark is not None else None
        if known is None:
            return Sharer("", network_of(address))
        return known if known.is_server else Sharer(known.key_id, address)

    def learn(self, mark: bytes | None, counted: Counted) -> None:
        """Remember whose key it was, once a request was answered."""
        if mark is None or not counted.key_id or counted.key_kind == _MANAGEMENT:
            return
        is_server = counted.key_kind == _SERVER
        known = self._known.get(mark)
        if known is not None and known.key_id == counted.key_id and known.is_server == is_server:
            self._known.move_to_end(mark)
            return
        self._known[mark] = Sharer(counted.key_id, "", is_server)
        _keep_last(self._known, mark)

    def is_operators(self, mark: bytes | None) -> bool:
        """Whether a management key that was good came with such a mark before."""
        return mark in self._operators

    def learn_operator(self, mark: bytes | None) -> None:
        """Remember that it was a management key, and good."""
        if mark is not None:
            self._operators[mark] = None
            _keep_last(self._operators, mark)


def _keep_last(known: OrderedDict[bytes, T], mark: bytes) -> None:
    known.move_to_end(mark)
    if len(known) > _MOST:
        known.popitem(last=False)


def mark_of_head(headers: Iterable[tuple[bytes, bytes]], query: bytes) -> bytes | None:
    """A hash of what a request brings as its key in its head; None if it brings nothing."""
    for name, value in headers:
        if name in {b"authorization", b"x-write-key"} and value:
            return _hash(value)
    start = query.find(_IN_QUERY)
    return _hash(query[start:].partition(b"&")[0]) if start >= 0 else None


def mark_of_body(body: bytes, headers: Mapping[str, str]) -> bytes | None:
    """A hash of the key in a body that is not packed; it stands at the beginning or behind the messages."""
    if headers.get("content-encoding", "identity") not in {"", "identity"}:
        return None
    for part in (body[-_LONGEST:], body[:_LONGEST]):
        start = part.rfind(_IN_BODY)
        if start >= 0:
            return _hash(part[start + len(_IN_BODY) :].lstrip(b" :").split(b'"', 2)[1:2])
    return None


def _hash(value: bytes | list[bytes]) -> bytes | None:
    found = value if isinstance(value, bytes) else b"".join(value)
    return blake2b(found, digest_size=16).digest() if found else None
