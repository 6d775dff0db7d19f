"""The digest of a rule: it changes when the rule's meaning may have changed."""

import json
from collections.abc import Iterator, Mapping
from hashlib import blake2b

from pydantic import JsonValue

_DIGEST_BYTES = 8
_WRITER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)
_NAMING_KEYS = ("segment", "enters", "leaves")


def digest_of(source: Mapping[str, JsonValue], segments: Mapping[str, JsonValue]) -> str:
    """16 hexadecimal digits of a hash of the content and of every segment it refers to, directly or through segments."""
    mentioned = {name: segments[name] for name in _closure(source, segments)}
    canonical = _WRITER.encode([source, mentioned])
    return blake2b(canonical.encode(), digest_size=_DIGEST_BYTES).hexdigest()


def _closure(raw: object, segments: Mapping[str, JsonValue]) -> set[str]:
    found: set[str] = set()
    waiting = [raw] if segments else []
    while waiting:
        for name in _mentioned(waiting.pop()):
            if name in segments and name not in found:
                found.add(name)
                waiting.append(segments[name])
    return found


def _mentioned(raw: object) -> Iterator[str]:
    waiting = [raw]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            waiting += part.values()
            for key in _NAMING_KEYS:
                if key in part:
                    named = part[key]
                    listed = named if isinstance(named, list) else [named]
                    yield from (name for name in listed if isinstance(name, str))
