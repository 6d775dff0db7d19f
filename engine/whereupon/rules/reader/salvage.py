"""What is left of a file with errors, so that the rest of it can be checked in the same run.

Each part at fault is taken out, or is given a harmless value where the form cannot do without it.
Nothing read from it is ever used but for its problems.
"""

from collections.abc import Mapping

from pydantic import JsonValue

from whereupon.rules.rule_reader import Path
from whereupon.rules.steps import STEPS

_HARMLESS: dict[str, JsonValue] = {
    **dict.fromkeys(("campaign", "broadcast", "segment", "event", "guard"), "x"),
    "settings": "settings",
    **dict.fromkeys(("when", "page", "screen"), "x"),
    **{key: form.example() for key, form in STEPS.items()},
    "cron": "0 0 * * *",
    "reentry": "once",
    "once_per": "1d",
    "once_per_key": "properties.x",
    "who": {"x": 1},
    "whereupon": ["exit"],
    "actions": ["x"],
}
_HARMLESS_ITEM: dict[str, JsonValue] = {"whereupon": "exit"}


def without_faults(
    data: dict[str, JsonValue], faults: Mapping[Path, bool], *, roughly: bool
) -> dict[str, JsonValue]:
    """A copy without what stands at these paths.

    Args:
        data: the file's content.
        faults: the paths; true for a key that should not be there at all.
        roughly: take out the whole top-level part that a fault is in.
    """
    copy = _copied(data)
    assert isinstance(copy, dict)  # noqa: S101 - a mapping stays one
    for path, superfluous in faults.items():
        _mend(copy, path[:1] if roughly else path, superfluous=superfluous)
    return copy


def _copied(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


def _mend(data: dict[str, JsonValue], path: Path, *, superfluous: bool) -> None:
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
        _mend_key(here, last, superfluous=superfluous)


def _mend_key(mapping: dict[str, JsonValue], key: str, *, superfluous: bool) -> None:
    harmless = _HARMLESS.get(key)
    if superfluous or harmless is None:
        mapping.pop(key, None)
    else:
        mapping[key] = _copied(harmless)
