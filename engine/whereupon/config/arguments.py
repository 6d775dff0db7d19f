"""The arguments of a channel's class, read from its signature, and a table of a file as these arguments.

So a new class in `whereupon.channels` needs no second list of what may be written about it.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import timedelta
from pathlib import Path as FilePath
from types import NoneType
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation
from pydantic_core import ErrorDetails

from whereupon.config.environment import Table, VariableText
from whereupon.config.secrets import is_secret
from whereupon.config.toml_places import Path
from whereupon.errors import Diagnostic
from whereupon.messages.times import parse_duration
from whereupon.rules.form import Form, invalid, shown
from whereupon.rules.spelling import nearest

_WORDS: Mapping[object, str] = {
    str: "a text",
    bytes: "a text",
    FilePath: "a path",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    timedelta: "a duration such as 90s or 2h",
}
_TEXTS = (str, bytes, FilePath)
_PREFIX = "of_"  # of the model's fields, so that no argument hides a name of pydantic's


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: its type, whether it must be given, and whether a file can say it."""

    name: str
    hint: object
    required: bool
    is_repeated: bool
    can_be_written: bool


class _Arguments(Form):
    model_config = ConfigDict(strict=False)


def arguments_of(maker: Callable[..., object]) -> dict[str, Argument]:
    """What a class or function takes, by name, in its order."""
    target = maker.__init__ if inspect.isclass(maker) else maker
    try:
        hints = get_type_hints(target, include_extras=True)
    except NameError:  # of what is imported for type checkers only
        hints = {}
    found: dict[str, Argument] = {}
    for name, each in inspect.signature(maker).parameters.items():
        if each.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        hint, repeated = hints.get(name, object), each.kind is inspect.Parameter.VAR_POSITIONAL
        hint = tuple[hint, ...] if repeated else hint  # type: ignore[valid-type]  # made at run time
        required = each.default is inspect.Parameter.empty and not repeated
        found[name] = Argument(name, hint, required, repeated, _can_be_written(hint))
    return found


def read_arguments(
    table: Table, path: Path, taken: Mapping[str, Argument], *, beside: tuple[str, ...] = ()
) -> tuple[dict[str, object], list[Diagnostic]]:
    """The values of the arguments, and what is wrong with the table.

    Args:
        table: what is written.
        path: where.
        taken: see `arguments_of`.
        beside: keys that may stand there, too; named where a key is unknown.
    """
    known = {name: each for name, each in taken.items() if each.can_be_written}
    model = create_model(
        "Arguments",
        __base__=_Arguments,
        **{  # type: ignore[call-overload]  # fields by names that are known at run time
            f"{_PREFIX}{name}": (
                _validated(each.hint),
                Field(alias=name) if each.required else Field(default=None, alias=name),
            )
            for name, each in known.items()
        },
    )
    faults: list[Diagnostic] = []
    given: Table = {}
    for key, value in table.items():
        found = _read(value, (*path, key), known[key].hint, faults) if key in known else value
        if found is not _REFUSED:
            given[key] = found
    refused = {key: table[key] for key in table.keys() - given.keys()}
    try:
        values = model.model_validate(given)
    except ValidationError as error:
        faults += _faults(error, path, taken, (*known, *beside))
        return {}, [each for each in faults if not _is_about(each, path, refused)]
    if faults:
        return {}, faults
    return {name: getattr(values, f"{_PREFIX}{name}") for name in known if name in given}, []


_REFUSED = object()


def _is_about(fault: Diagnostic, path: Path, refused: Table) -> bool:
    """Whether it asks for a key that is there and is refused already."""
    return fault.code == "missing-key" and any(
        fault.path == path and fault.message.startswith(f"add {key} = ") for key in refused
    )


def _read(value: object, path: Path, hint: object, faults: list[Diagnostic]) -> object:
    """A value as the type asks for it; a table becomes the dataclass that the type names."""
    if isinstance(value, VariableText):
        value = str(value) if _takes_text(hint) else value.value
    if isinstance(value, list):
        inner = next((get_args(each)[0] for each in _members(hint) if get_args(each)), object)
        read = [_read(each, (*path, n), inner, faults) for n, each in enumerate(value)]
        return _REFUSED if _REFUSED in read else read
    made = next((each for each in _members(hint) if is_dataclass(each)), None)
    if not isinstance(value, dict) or not isinstance(made, type):
        return value
    values, found = read_arguments(value, path, arguments_of(made))
    faults += found
    if found:
        return _REFUSED
    try:
        return made(**values)
    except (ValueError, TypeError) as error:
        faults.append(Diagnostic.at(path, "wrong-value", str(error)))
        return _REFUSED


# --- types ------------------------------------------------------------------------------------------


def _can_be_written(hint: object) -> bool:
    try:
        TypeAdapter[object](_validated(hint))  # type: ignore[arg-type]  # a type known at run time
    except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation):
        return False
    return not any(get_origin(each) is Callable or each is Callable for each in _members(hint))


def _validated(hint: object) -> object:
    """The type with durations as they are written in files."""
    if hint is timedelta:
        return Annotated[timedelta, BeforeValidator(_duration)]
    if get_origin(hint) is Annotated:
        return hint
    inner = _members(hint)
    if len(inner) > 1 and timedelta in inner and str not in inner:
        return Union[tuple(_validated(each) for each in inner)]  # noqa: UP007 - made at run time
    return hint


def _duration(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    length = parse_duration(value) if isinstance(value, str) else timedelta(seconds=value)
    if length is None:
        raise invalid(
            code="bad-duration",
            text="a duration is a whole number and a unit, such as 90s, 15m or 2h; this is {found}",
            found=shown(value),
        )
    return length


def _members(hint: object) -> tuple[object, ...]:
    """The types of a union, or the type itself."""
    if get_origin(hint) is Annotated:
        return _members(get_args(hint)[0])
    is_union = isinstance(hint, Union) if isinstance(Union, type) else get_origin(hint) is Union
    if is_union or type(hint).__name__ == "UnionType":
        return tuple(each for member in get_args(hint) for each in _members(member))
    return (hint,)


def _takes_text(hint: object) -> bool:
    return any(
        each in _TEXTS
        or each is object
        or (get_origin(each) is Literal and any(isinstance(x, str) for x in get_args(each)))
        for each in _members(hint)
    )


def _in_words(hint: object) -> str:
    return " or ".join(
        dict.fromkeys(_word(each) for each in _members(hint) if each is not NoneType)
    )


def _word(hint: object) -> str:
    if hint in _WORDS:
        return _WORDS[hint]
    if get_origin(hint) is Literal:
        return " or ".join(map(str, get_args(hint)))
    if is_dataclass(hint):
        return f"a table with {', '.join(each.name for each in fields(hint))}"
    origin = get_origin(hint)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "a table"
    inner = [each for each in get_args(hint) if each is not Ellipsis]
    return f"a list, each {_in_words(inner[0])}" if inner else "another value"


# --- what is wrong ----------------------------------------------------------------------------------


def _faults(
    error: ValidationError, path: Path, taken: Mapping[str, Argument], known: tuple[str, ...]
) -> Iterator[Diagnostic]:
    by_argument: dict[str, list[ErrorDetails]] = {}
    for each in error.errors(include_url=False):
        by_argument.setdefault(str(each["loc"][0]), []).append(each)
    for name, found in by_argument.items():
        yield _fault(name, found, path, taken.get(name), known)


def _fault(
    name: str,
    found: list[ErrorDetails],
    path: Path,
    argument: Argument | None,
    known: tuple[str, ...],
) -> Diagnostic:
    first = found[0]
    if argument is None:
        hint = nearest(name, known) or f"; the keys here are {', '.join(known)}"
        return Diagnostic.at((*path, name), "unknown-key", f"there is no key {name!r}{hint}")
    if not argument.can_be_written:
        message = f"{name} can only be given in Python; take it out"
        return Diagnostic.at((*path, name), "unknown-key", message)
    if first["type"] == "missing" and len(first["loc"]) == 1:
        message = f"add {name} = …: {_in_words(argument.hint)}"
        return Diagnostic.at(path, "missing-key", message)
    if len(found) == 1 and (len(first["loc"]) > 1 or "-" in first["type"]):
        return _inner_fault(first, path)
    value = first["input"] if len(first["loc"]) == 1 else None
    hidden = isinstance(value, str) and is_secret((name,), value)
    told = "" if value is None or hidden else f", not {shown(value)}"
    message = f"this must be {_in_words(argument.hint)}{told}"
    return Diagnostic.at((*path, name), "wrong-type", message)


def _inner_fault(error: ErrorDetails, path: Path) -> Diagnostic:
    """What is wrong within a table or a list, or a value that a check of ours has refused."""
    where = (*path, *error["loc"])
    match error["type"]:
        case "unexpected_keyword_argument" | "extra_forbidden":
            return Diagnostic.at(where, "unknown-key", f"there is no key {where[-1]!r} here")
        case "missing" | "missing_argument":
            return Diagnostic.at(where[:-1], "missing-key", f"add {where[-1]} = …")
        case code if "-" in code:
            return Diagnostic.at(where, code, error["msg"])
    return Diagnostic.at(where, "wrong-type", f"{error['msg'][:1].lower()}{error['msg'][1:]}")
