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
        for key in _NAMING_KEYS:
            named = raw.get(key)
            yield from (name for name in _listed(named) if isinstance(name, str))
        for value in raw.values():
            yield from _mentioned(value)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]
