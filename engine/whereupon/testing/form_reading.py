"""The parts of a test file as their forms, or what is wrong with them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar

from pydantic import JsonValue, ValidationError

from whereupon.errors import Diagnostic
from whereupon.rules.form import Form, shown
from whereupon.rules.form_errors import FormError, diagnostic_from, form_errors
from whereupon.rules.spelling import nearest

Path: TypeAlias = tuple[str | int, ...]
AnyForm = TypeVar("AnyForm", bound=Form)


def validated(
    form: type[AnyForm], data: JsonValue, path: Path, diagnostics: list[Diagnostic]
) -> AnyForm | None:
    """The part as its form; None, and every diagnostic of it noted, if it does not fit."""
    try:
        return form.model_validate(data)
    except ValidationError as error:
        errors = form_errors(error, form)
        found = [diagnostic_from(each) for each in errors if not _is_misspelt(each, errors)]
        diagnostics += [replace(each, path=(*path, *each.path)) for each in found]
        return None


def form_for(
    item: JsonValue, forms: Mapping[str, type[AnyForm]], path: Path, diagnostics: list[Diagnostic]
) -> tuple[str, type[AnyForm]] | None:
    """The key that says what an item is, with its form; None, and a diagnostic noted, without one."""
    kinds = ", ".join(forms)
    if not isinstance(item, dict):
        text = f"this must be a mapping with one of {kinds}, not {shown(item)}"
        diagnostics.append(Diagnostic.at(path, "wrong-type", text))
        return None
    key = next((key for key in forms if key in item), None)
    if key is not None:
        return key, forms[key]
    near = next(((key, hint) for key in item if (hint := nearest(key, forms))), None)
    if near is not None:
        text = f"there is no key {near[0]!r}{near[1]}"
        diagnostics.append(Diagnostic.at((*path, near[0]), "unknown-key", text))
    else:
        diagnostics.append(Diagnostic.at(path, "missing-key", f"say what this is: one of {kinds}"))
    return None


def _is_misspelt(error: FormError, among: Sequence[FormError]) -> bool:
    """Whether a key is missing because it is misspelt, which has a diagnostic of its own."""
    if error.type != "missing":
        return False
    written = [other.key for other in among if other.type == "extra_forbidden"]
    return any(nearest(key, [error.key]) for key in written)
