"""What is left of a file with errors, so that the rest of it can be checked in the same run.

Each part at fault is taken out, or is given a harmless value where the form cannot do without it.
Nothing read from it is ever used but for its problems.
"""

from collections.abc import Iterable

from pydantic import JsonValue

from whereupon.rulefiles.faults import Path

_HARMLESS: dict[str, JsonValue] = {
    **dict.fromkeys(("campaign", "broadcast", "segment", "event", "guard"), "x"),
    **dict.fromkeys(("when", "page", "screen", "track", "send"), "x"),
    "cron": "0 0 * * *",
    "reentry": "once",
    "once_per": "1d",
    "once_per_key": "properties.x",
    "who": {},
    "whereupon": ["exit"],
    "wait": "1s",
    "set": {"x": 1},
    "actions": ["x"],
}
_HARMLESS_ITEM: dict[str, JsonValue] = {"whereupon": "exit"}


def without_faults(
    data: dict[str, JsonValue], paths: Iterable[Path], *, roughly: bool
) -> dict[str, JsonValue]:
    """A copy without what stands at these paths; ``roughly``: without the whole top-level part."""
    copy = _copied(data)
    assert isinstance(copy, dict)  # noqa: S101 - a mapping stays one
    for path in paths:
        _mend(copy, path[:1] if roughly else path)
    return copy


def _copied(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


def _mend(data: dict[str, JsonValue], path: Path) -> None:
    here: JsonValue = data
    for part in path[:-1]:
        if isinstance(here, dict) and isinstance(part, str):
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int):
            here = here[part]
    last = path[-1]
    if isinstance(here, list) and isinstance(last, int) and last < len(here):
        here[last] = _HARMLESS_ITEM.get(str(path[0]), "x")
    elif isinstance(here, dict) and isinstance(last, str):
        _mend_key(here, last)


def _mend_key(mapping: dict[str, JsonValue], key: str) -> None:
    harmless = _HARMLESS.get(key)
    if harmless is None or mapping.get(key) == harmless:
        mapping.pop(key, None)
    else:
        mapping[key] = _copied(harmless)
