"""pydantic's errors about a form as diagnostics: a stable code, a path, and what to write instead."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Final, Union, get_args, get_origin

from pydantic import Tag, ValidationError
from pydantic.fields import FieldInfo

from whereupon.errors import Diagnostic
from whereupon.rules.form import BuiltLater, Form, IfMissing, shown
from whereupon.rules.rule_reader import Path
from whereupon.rules.spelling import nearest

_EXPECTED: Final[Mapping[str, str]] = {
    "string_type": "a text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "list_type": "a list",
}
"""What a value must be, by pydantic's name of the error."""


@dataclass(frozen=True, slots=True)
class FormError:
    """One error that pydantic found.

    Attributes:
        path: keys and positions from the form that was validated, without the tags of unions.
        form: the innermost form that holds the last key of the path.
        type: pydantic's name of the error, or a code of ours.
        message: pydantic's sentence, or ours.
        found: the value that is wrong.
        context: the facts of the error, such as the bounds of a number.
    """

    path: Path
    form: type[Form]
    type: str
    message: str
    found: object
    context: Mapping[str, object]

    @property
    def key(self) -> str:
        """The last key of the path."""
        return str(self.path[-1])


def form_errors(error: ValidationError, form: type[Form]) -> list[FormError]:
    """Every error that pydantic found when it validated a form."""
    return [
        FormError(
            *_located(form, each["loc"]),
            each["type"],
            each["msg"],
            each["input"],
            each.get("ctx", {}),
        )
        for each in error.errors(include_url=False)
    ]


def diagnostic_from(error: FormError) -> Diagnostic:
    """What is wrong, and what to write instead."""
    match error.type:
        case "extra_forbidden":
            return unknown_key(error)
        case "missing":
            return _missing(error)
        case "too_short" | "string_too_short":
            return _empty(error)
        case "literal_error":
            return _not_one_of(error)
        case "greater_than_equal" | "less_than_equal":
            return _out_of_bounds(error)
    return _wrong_value(error)


def unknown_key(error: FormError) -> Diagnostic:
    """A key that the form does not have."""
    known = [field.alias or name for name, field in error.form.model_fields.items()]
    hint = nearest(error.key, known) or f"; the keys here are {', '.join(known)}"
    return Diagnostic.at(error.path, "unknown-key", f"there is no key {error.key!r}{hint}")


def _missing(error: FormError) -> Diagnostic:
    field = _field(error.form, error.key)
    metadata = field.metadata if field else ()
    advice = next((each for each in metadata if isinstance(each, IfMissing)), None)
    advice = advice or IfMissing(f"add the key {error.key}")
    return Diagnostic.at(error.path[:-1], advice.code, advice.sentence)


def _empty(error: FormError) -> Diagnostic:
    return Diagnostic.at(error.path, "wrong-type", "nothing is written here: give it a value")


def _not_one_of(error: FormError) -> Diagnostic:
    expected = str(error.context.get("expected", "")).replace("'", "")
    hint = nearest(str(error.found), expected.replace(" or ", ", ").split(", "))
    message = f"this is {expected}, not {shown(error.found)}{hint}"
    return Diagnostic.at(error.path, "wrong-value", message)


def _out_of_bounds(error: FormError) -> Diagnostic:
    bounds = error.context
    bound = f"at least {bounds['ge']}" if "ge" in bounds else f"at most {bounds['le']}"
    return Diagnostic.at(error.path, "wrong-value", f"this is {bound}, not {shown(error.found)}")


def _wrong_value(error: FormError) -> Diagnostic:
    expected = _EXPECTED.get(error.type)
    if expected is None:
        code = error.type if "-" in error.type else "wrong-type"
        return Diagnostic.at(error.path, code, error.message)
    if error.found is None:
        return _empty(error)
    quote = expected == "a text" and isinstance(error.found, bool | int | float)
    advice = "; put it in quotes" if quote else ""
    message = f"this must be {expected}, not {shown(error.found)}{advice}"
    return Diagnostic.at(error.path, "wrong-type", message)


# --- from pydantic's location to ours -----------------------------------------------------------


def _located(form: type[Form], location: tuple[int | str, ...]) -> tuple[Path, type[Form]]:
    """The path in the data, and the form that holds its last key.

    Pydantic's location has the tag of each union among the keys, and ``[key]`` behind a key of a dict that
    is itself wrong.
    """
    path: list[int | str] = []
    outer: object = None
    hint: object = form
    for part in location:
        member = _tagged(hint, part)
        if member is not None:
            hint = member
        elif part != "[key]" or get_origin(outer) is not dict:
            if isinstance(hint, type) and issubclass(hint, Form):
                form = hint
            path.append(part)
            outer, hint = hint, _inner(hint, part)
    return tuple(path), form


def _tagged(hint: object, tag: object) -> object:
    """The member of a union that has this tag."""
    for member in get_args(hint) if get_origin(hint) in {Union, UnionType} else ():
        if any(isinstance(each, Tag) and each.tag == tag for each in get_args(member)):
            return _bare(member)
    return None


def _inner(hint: object, part: int | str) -> object:
    """The type of what stands at a key or a position; None if no form says."""
    if isinstance(hint, type) and issubclass(hint, Form):
        field = _field(hint, str(part))
        if field is None:
            return None
        later = (each for each in field.metadata if isinstance(each, BuiltLater))
        return _bare(next((each.annotation() for each in later), field.annotation))
    inner = get_args(hint)
    return _bare(inner[-1]) if get_origin(hint) in {list, dict} else None


def _field(form: type[Form], key: str) -> FieldInfo | None:
    fields = form.model_fields.items()
    return next((field for name, field in fields if key == (field.alias or name)), None)


def _bare(hint: object) -> object:
    """The type without its annotations, and without None beside it."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    members = [each for each in get_args(hint) if each is not NoneType]
    if get_origin(hint) in {Union, UnionType} and len(members) == 1:
        return _bare(members[0])
    return hint
