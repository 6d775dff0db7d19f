"""The digest of a rule: it changes when the rule's meaning may have changed."""

import json
from collections.abc import Iterator, Mapping
from hashlib import blake2b

from pydantic import JsonValue

_DIGEST_BYTES = 8
_NAMING_KEYS = ("segment", "enters", "leaves")


def digest_of(source: Mapping[str, JsonValue], segments: Mapping[str, JsonValue]) -> str:
    """16 hexadecimal digits of the content and of every segment that it refers to, however indirectly."""
    mentioned = {name: segments[name] for name in _closure(source, segments)}
    canonical = json.dumps(
        [source, mentioned], sort_keys=True, separators=(",", ":"), ensure_ascii=True
    )
    return blake2b(canonical.encode(), digest_size=_DIGEST_BYTES).hexdigest()


def refers_to_itself(segment: str, segments: Mapping[str, JsonValue]) -> bool:
    """Whether a segment's condition leads back to the segment."""
    return segment in _closure(segments.get(segment), segments)


def _closure(raw: object, segments: Mapping[str, JsonValue]) -> set[str]:
    found: set[str] = set()
    waiting = [raw]
    while waiting:
        for name in _mentioned(waiting.pop()):
            if name in segments and name not in found:
                found.add(name)
                waiting.append(segments[name])
    return found


def _mentioned(raw: object) -> Iterator[str]:
    if isinstance(raw, list):
        for item in raw:
            yield from _mentioned(item)
    if isinstance(raw, Mapping):
        yield from (raw[key] for key in _NAMING_KEYS if isinstance(raw.get(key), str))
        for value in raw.values():
            yield from _mentioned(value)
