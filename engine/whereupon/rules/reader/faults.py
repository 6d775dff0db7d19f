"""pydantic's errors as problems of a rule file: a stable code, a place, and what to write instead."""

from collections.abc import Mapping

from pydantic import JsonValue
from pydantic_core import ErrorDetails

from whereupon.errors import Diagnostic
from whereupon.rules.form import Form, shown
from whereupon.rules.reader.forms import FILE_FORMS, CampaignForm
from whereupon.rules.reader.guardforms import GUARD_FORMS
from whereupon.rules.reader.settingsforms import SETTINGS_FORMS, SettingsForm
from whereupon.rules.reader.triggers import MAPPING_FORMS
from whereupon.rules.reader.words import misplaced
from whereupon.rules.reserved import NOT_YET_RULE_KEYS, NOT_YET_SETTINGS, NOT_YET_STEPS
from whereupon.rules.rule_reader import Path
from whereupon.rules.spelling import nearest
from whereupon.rules.steps import STEPS

_FORMS: dict[str, type[Form]] = {**STEPS, **MAPPING_FORMS, **GUARD_FORMS, **SETTINGS_FORMS}
_EXPECTED = {
    "string_type": "a text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "list_type": "a list",
}
_MISSING = {
    "reentry": (
        "reentry-required",
        (
            "say whether the same person may enter again: add reentry: once, every_time, "
            "not_while_active, {once_per: 7d} or {once_per_key: properties.order_id}"
        ),
    ),
    "whereupon": (
        "no-steps",
        "say what happens: add whereupon: with a list of steps, such as - send: push",
    ),
    "when": ("missing-key", "say what triggers it: add when: with an event's name"),
    "who": ("missing-key", "say who is in it: add who: with a condition over the person"),
}


def problem_from(error: ErrorDetails, data: JsonValue, *, kind: str) -> Diagnostic:
    """One pydantic error of a file of that kind as a problem, its path one within ``data``."""
    path, tag = _path_and_tag(error["loc"], data)
    within = path[0] if kind == "settings" and len(path) > 1 else tag
    form = _FORMS.get(str(within), FILE_FORMS[kind])
    match error["type"]:
        case "extra_forbidden":
            return unknown_key(path, form=form, kind=kind)
        case "missing":
            return _missing(path)
        case "unknown-step":
            return _unknown_step(path, error["input"])
        case "too_short" | "string_too_short":
            return _empty(path)
        case "literal_error":
            return _not_one_of(path, error)
        case "greater_than_equal" | "less_than_equal":
            return _out_of_bounds(path, error)
    return _wrong_value(path, error)


def place_of(error: ErrorDetails, data: JsonValue) -> Path:
    """The path of the part at fault; of the key that is missing, where one is."""
    return _path_and_tag(error["loc"], data)[0]


def unknown_key(path: Path, *, form: type[Form], kind: str) -> Diagnostic:
    """A key that the form does not have: misspelt, kept for later, or of another kind of file."""
    key = str(path[-1])
    is_rule = kind in ("campaign", "broadcast") and form in FILE_FORMS.values()
    later = NOT_YET_SETTINGS if form is SettingsForm else NOT_YET_RULE_KEYS if is_rule else ()
    if key in later:
        return Diagnostic.at(path, "not-yet", f"this version does not run {key} yet; take it out")
    if kind == "broadcast" and len(path) == 1 and key in CampaignForm.model_fields:
        return _campaign_only(path, key)
    if form in STEPS.values() and (key in STEPS or key in NOT_YET_STEPS):
        message = f"one step does one thing: put {key} into a step of its own, after a new -"
        return Diagnostic.at(path, "unknown-key", message)
    step = next((name for name, each in STEPS.items() if each is form), None)
    if step is not None and (found := misplaced(path, step)):
        return found
    known = [field.alias or name for name, field in form.model_fields.items()]
    hint = nearest(key, known) or f"; the keys here are {', '.join(known)}"
    return Diagnostic.at(path, "unknown-key", f"there is no key {key!r}{hint}")


def _campaign_only(path: Path, key: str) -> Diagnostic:
    if key == "reentry":
        message = "a broadcast has no reentry: each run admits a person once; take it out"
        return Diagnostic.at(path, "reentry-in-broadcast", message)
    return Diagnostic.at(
        path, "unsupported-key", f"{key} is for campaigns; take it out of a broadcast"
    )


def _missing(path: Path) -> Diagnostic:
    key = str(path[-1])
    default = ("missing-key", f"add the key {key}")
    code, message = _MISSING.get(key, default)
    return Diagnostic.at(path[:-1], code, message)


def _unknown_step(path: Path, raw: object) -> Diagnostic:
    if not isinstance(raw, Mapping) or not raw:
        hint = nearest(raw, STEPS) if isinstance(raw, str) else ""
        message = f"a step is a mapping such as send: push or wait: 2h, or exit{hint}"
        return Diagnostic.at(path, "unknown-step", message)
    for key in raw:
        if key in NOT_YET_STEPS:
            message = f"this version does not run {key} steps yet; take it out"
            return Diagnostic.at((*path, str(key)), "not-yet", message)
    first = str(next(iter(raw)))
    if first == "exit":
        return Diagnostic.at(
            (*path, first), "unknown-step", "write the step as - exit, with no colon"
        )
    hint = nearest(first, STEPS) or f"; the steps are {', '.join(STEPS)}"
    return Diagnostic.at((*path, first), "unknown-step", f"there is no step {first!r}{hint}")


def _empty(path: Path) -> Diagnostic:
    if path == ("whereupon",):
        return Diagnostic.at(
            path, "no-steps", "there are no steps; write at least one, such as - send: push"
        )
    return Diagnostic.at(path, "wrong-type", "nothing is written here: give it a value")


def _not_one_of(path: Path, error: ErrorDetails) -> Diagnostic:
    expected = str(error.get("ctx", {}).get("expected", "")).replace("'", "")
    hint = nearest(str(error["input"]), expected.replace(" or ", ", ").split(", "))
    found = shown(error["input"])
    return Diagnostic.at(path, "wrong-value", f"this is {expected}, not {found}{hint}")


def _out_of_bounds(path: Path, error: ErrorDetails) -> Diagnostic:
    bounds = error.get("ctx", {})
    bound = f"at least {bounds['ge']}" if "ge" in bounds else f"at most {bounds['le']}"
    return Diagnostic.at(path, "wrong-value", f"this is {bound}, not {shown(error['input'])}")


def _wrong_value(path: Path, error: ErrorDetails) -> Diagnostic:
    expected = _EXPECTED.get(error["type"])
    if expected is None:
        return Diagnostic.at(
            path, error["type"] if "-" in error["type"] else "wrong-type", error["msg"]
        )
    value = error["input"]
    if value is None:
        return _empty(path)
    quote = expected == "a text" and isinstance(value, bool | int | float)
    advice = "; put it in quotes" if quote else ""
    return Diagnostic.at(path, "wrong-type", f"this must be {expected}, not {shown(value)}{advice}")


def _path_and_tag(loc: tuple[int | str, ...], data: JsonValue) -> tuple[Path, str]:
    """The place that pydantic gives without the union tags among it, and the last of these tags."""
    path: list[str | int] = []
    tag = ""
    here: JsonValue = data
    for part in loc:
        is_tag = isinstance(part, str) and part.startswith("<") and part.endswith(">")
        written = isinstance(here, Mapping) and part in here
        if isinstance(part, str) and (is_tag or part == "[key]") and not written:
            tag = part.strip("<>") if is_tag else tag
            continue
        path.append(part)
        here = _inner(here, part)
    return tuple(path), tag


def _inner(value: JsonValue, part: str | int) -> JsonValue:
    if isinstance(value, dict) and isinstance(part, str):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return None
