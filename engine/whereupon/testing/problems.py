"""What is wrong with a part of a test file, as problems with a place and what to write instead."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeVar

from pydantic import JsonValue, ValidationError
from pydantic_core import ErrorDetails

from whereupon.errors import Diagnostic
from whereupon.rules.form import Form, shown
from whereupon.rules.spelling import nearest

Path: TypeAlias = tuple[str | int, ...]
AnyForm = TypeVar("AnyForm", bound=Form)

_EXPECTED = {
    "string_type": "a text",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "list_type": "a list",
}
_MISSING = {
    "tests": "start the file with tests: and a list of tests",
    "name": "give the test a name: what holds, in a few words",
    "given": "add given: with the messages that arrive; given: [] for none",
    "expect": "add expect: with all that the rule does; expect: [] for silence",
    "reason": "add reason: with why they are skipped, such as reason: who",
    "to": "add to: with the person's user id",
    "outcome": "add outcome: with ran, held, refused, approved, cancelled or expired",
    "by": "add by: with the name of who decides it",
    "previous": "add previous: with the id that is no longer used",
}


def validated(
    form: type[AnyForm], data: JsonValue, path: Path, problems: list[Diagnostic]
) -> AnyForm | None:
    """The part as its form; None, and every problem of it noted, where it does not fit."""
    try:
        return form.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems += [_problem(d, path, form) for d in details if not _is_misspelt(d, details)]
        return None


def form_for(
    item: JsonValue, forms: Mapping[str, type[AnyForm]], path: Path, problems: list[Diagnostic]
) -> tuple[str, type[AnyForm]] | None:
    """The key that says what an item is, with its form; None, and a problem noted, without one."""
    kinds = ", ".join(forms)
    if not isinstance(item, dict):
        text = f"this must be a mapping with one of {kinds}, not {shown(item)}"
        problems.append(Diagnostic.at(path, "wrong-type", text))
        return None
    key = next((key for key in forms if key in item), None)
    if key is not None:
        return key, forms[key]
    near = next(((key, hint) for key in item if (hint := nearest(key, forms))), None)
    if near is not None:
        text = f"there is no key {near[0]!r}{near[1]}"
        problems.append(Diagnostic.at((*path, near[0]), "unknown-key", text))
    else:
        problems.append(Diagnostic.at(path, "missing-key", f"say what this is: one of {kinds}"))
    return None


def _is_misspelt(error: ErrorDetails, among: Sequence[ErrorDetails]) -> bool:
    """Whether a key is missing only because it is written otherwise, which is said already."""
    if error["type"] != "missing":
        return False
    written = [str(other["loc"][-1]) for other in among if other["type"] == "extra_forbidden"]
    return any(nearest(key, [str(error["loc"][-1])]) for key in written)


def _problem(error: ErrorDetails, path: Path, form: type[Form]) -> Diagnostic:
    place = (*path, *error["loc"])
    match error["type"]:
        case "extra_forbidden":
            return _unknown_key(place, form)
        case "missing":
            key = str(place[-1])
            return Diagnostic.at(place[:-1], "missing-key", _MISSING.get(key, f"add the key {key}"))
        case "too_short" | "string_too_short":
            return Diagnostic.at(place, "wrong-type", "nothing is written here: give it a value")
        case "literal_error":
            return _not_one_of(place, error)
    return _wrong_value(place, error)


def _unknown_key(place: Path, form: type[Form]) -> Diagnostic:
    key, known = str(place[-1]), list(form.model_fields)
    hint = nearest(key, known) or f"; the keys here are {', '.join(known)}"
    return Diagnostic.at(place, "unknown-key", f"there is no key {key!r}{hint}")


def _not_one_of(place: Path, error: ErrorDetails) -> Diagnostic:
    expected = str(error.get("ctx", {}).get("expected", "")).replace("'", "")
    hint = nearest(str(error["input"]), expected.replace(" or ", ", ").split(", "))
    text = f"this is {expected}, not {shown(error['input'])}{hint}"
    return Diagnostic.at(place, "wrong-value", text)


def _wrong_value(place: Path, error: ErrorDetails) -> Diagnostic:
    expected = _EXPECTED.get(error["type"])
    if expected is None:
        code = error["type"] if "-" in error["type"] else "wrong-type"
        return Diagnostic.at(place, code, error["msg"])
    value = error["input"]
    quote = expected == "a text" and isinstance(value, bool | int | float)
    advice = "; put it in quotes" if quote else ""
    return Diagnostic.at(
        place, "wrong-type", f"this must be {expected}, not {shown(value)}{advice}"
    )
