"""Recovery from errors of form, so that the rest of a file is checked in the same run.

Each part with an error is taken out, or is given a harmless value if the form needs the part. What is read
of the rest gives further diagnostics and is never used as a rule.
"""

from collections.abc import Iterable

from pydantic import JsonValue

from whereupon.rules.form_errors import FormError
from whereupon.rules.rule_reader import Path
from whereupon.rules.steps import STEPS

_HARMLESS: dict[str, JsonValue] = {
    **dict.fromkeys(("campaign", "broadcast", "segment", "event", "guard"), "x"),
    "settings": "settings",
    **dict.fromkeys(("when", "page", "screen"), "x"),
    **{key: form.example() for key, form in STEPS.items() if not form.is_word},
    "cron": "0 0 * * *",
    "reentry": "once",
    "once_per": "1d",
    "once_per_key": "properties.x",
    "who": {"x": 1},
    "whereupon": ["exit"],
    "actions": ["x"],
    "event": "x",
    "if": {"x": 1},
    "up_to": "1d",
    "until": "09:00",
}
_HARMLESS_ITEM: dict[str, JsonValue] = {
    **dict.fromkeys(("whereupon", "then", "else"), "exit"),
    "branch": {"if": {"x": 1}},
    "wait_for": {"event": "x"},
    "on": "mon",
}
"""By the key of a list, an item that no check refuses."""


def without_errors(
    data: dict[str, JsonValue], errors: Iterable[FormError], *, roughly: bool
) -> dict[str, JsonValue]:
    """A copy without the parts that have these errors.

    Args:
        data: the file's content.
        errors: what pydantic found in it.
        roughly: take out the whole top-level part that an error is in.
    """
    copy = _copied(data)
    assert isinstance(copy, dict)  # noqa: S101 - a mapping stays one
    for error in errors:
        path = error.path[:1] if roughly else error.path
        _patch(copy, path, superfluous=error.type == "extra_forbidden")
    return copy


def _copied(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


def _patch(data: dict[str, JsonValue], path: Path, *, superfluous: bool) -> None:
    here: JsonValue = data
    for part in path[:-1]:
        if isinstance(here, dict) and isinstance(part, str):
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int):
            here = here[part]
    last = path[-1]
    if isinstance(here, list) and isinstance(last, int) and last < len(here):
        names = (part for part in reversed(path) if isinstance(part, str))
        here[last] = _copied(_HARMLESS_ITEM.get(next(names, ""), "x"))
    elif isinstance(here, dict) and isinstance(last, str):
        _patch_key(here, last, superfluous=superfluous)


def _patch_key(mapping: dict[str, JsonValue], key: str, *, superfluous: bool) -> None:
    harmless = "x" if key == "name" and "arms" in mapping else _HARMLESS.get(key)
    if superfluous or harmless is None:
        mapping.pop(key, None)
    else:
        mapping[key] = _copied(harmless)
