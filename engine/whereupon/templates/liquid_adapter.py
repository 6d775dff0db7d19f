"""Everything that needs Liquid. It is imported with the first template, because importing is slow."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache

from liquid import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import (
    Filter,
    FilteredExpression,
    Path,
    PositionalArgument,
    StringLiteral,
)
from liquid.builtin.output import OutputNode
from liquid.exceptions import LiquidError
from pydantic import JsonValue

from whereupon.templates.addressee import Addressee
from whereupon.templates.interpolation import Layout, Piece, Placeholder
from whereupon.templates.meter import Meter
from whereupon.templates.partials import DEEPEST, Partials, rendered_in
from whereupon.templates.places import Place, VariablePath, line_and_column
from whereupon.templates.sandbox import Object, compiled, render_source
from whereupon.templates.syntax import is_only_written, nodes_of, required_by, variable_path
from whereupon.templates.template_error import (
    PartialCycleError,
    TemplateError,
    UnknownPartialError,
)
from whereupon.templates.template_faults import faults_of, line_at, source_fault

_DAY = len("2026-01-31")


def check(source: str, partials: Mapping[str, str]) -> Partials:
    """Compile a template and the partials that it renders, at any depth.

    Args:
        partials: the sources of all that there are, by name.

    Returns:
        The partials that it renders.

    Raises:
        TemplateError: with the line of a fault, and the name of the partial if the fault is in one.
    """
    _check_text(source)
    depths: dict[str, int] = {}
    _check_partials(source, partials, (), depths)
    return tuple((name, partials[name]) for name in sorted(depths))


def _check_text(source: str) -> None:
    fault = _fault_in(source)
    if fault is not None:
        raise TemplateError(reason=fault)


@lru_cache(maxsize=4096)
def _fault_in(source: str) -> str | None:
    """The first fault of one text. A text is checked several times, and a partial for each text that renders it."""
    fault = source_fault(source)
    if fault is not None:
        return fault
    try:
        with _template_errors():
            template = compiled(source)
    except TemplateError as error:
        return error.reason
    return next(faults_of(source, template), None)


def _check_partials(
    source: str, partials: Mapping[str, str], way: tuple[str, ...], depths: dict[str, int]
) -> int:
    """How deep the partials of a source render partials; each that is checked goes into ``depths``."""
    deepest = 0
    for name, line in rendered_in(source, nodes_of(compiled(source))):
        if name in way:
            circle = " renders ".join([*way[way.index(name) :], name])
            raise PartialCycleError(reason=f"line {line}: {circle}: this never ends")
        if name not in partials:
            raise UnknownPartialError(name=name, line=line)
        if name not in depths:
            depths[name] = _depth_of(name, partials, way, depths)
        deepest = max(deepest, depths[name])
        if deepest > DEEPEST - len(way):
            reason = f"line {line}: partials render partials at most {DEEPEST} deep"
            raise PartialCycleError(reason=reason)
    return deepest


def _depth_of(
    name: str, partials: Mapping[str, str], way: tuple[str, ...], depths: dict[str, int]
) -> int:
    try:
        _check_text(partials[name])
        return 1 + _check_partials(partials[name], partials, (*way, name), depths)
    except TemplateError as error:
        error.partial = error.partial or name
        raise


def render(
    source: str,
    data: Mapping[str, JsonValue],
    *,
    partials: Partials = (),
    is_markup: bool,
    meter: Meter,
    addressee: Addressee,
) -> str:
    """Render with ``data``; raises `TemplateError`, naming the variable that is missing."""
    with _template_errors():
        shown = _globals(data, _mentioned(source, partials))
        return render_source(
            source,
            shown,
            partials=partials,
            is_markup=is_markup,
            meter=meter,
            addressee=addressee,
        )


@lru_cache(maxsize=1024)
def places_of(source: str, partials: Partials = ()) -> Mapping[VariablePath, Place]:
    """The variables that the template and its partials mention, in order of names, and where first."""
    found = compiled(source, partials).analyze(include_partials=bool(partials)).globals
    texts = {"": source, **dict(partials)}
    places: dict[VariablePath, Place] = {}
    for each in (variable for group in found.values() for variable in group):
        name = each.span.template_name
        place = Place(name, *line_and_column(texts[name], each.span.index))
        path = variable_path(each.segments)
        places[path] = min(places.get(path, place), place)
    return dict(sorted(places.items(), key=lambda item: str(item[0])))


def variables_of(source: str, partials: Partials = ()) -> tuple[VariablePath, ...]:
    """Every variable that the template and its partials mention, in order of their names."""
    return tuple(places_of(source, partials))


def required_variables_of(source: str, partials: Partials = ()) -> tuple[VariablePath, ...]:
    """The variables for which neither ``| default:`` nor ``{% if %}`` allows that they are missing."""
    needed = required_by(compiled(source, partials))
    return tuple(sorted(needed & set(variables_of(source, partials)), key=str))


@lru_cache(maxsize=1024)
def plainly_written(source: str, root: str) -> bool:
    """Whether every variable of a root stands in the text as it is: no filter, no tag."""
    return is_only_written(compiled(source), root)


@lru_cache(maxsize=4096)
def _mentioned(source: str, partials: Partials) -> Mapping[str, frozenset[str] | None]:
    """The keys of each variable that a template mentions; None if it uses the variable as a whole."""
    keys: dict[str, frozenset[str] | None] = {}
    for path in variables_of(source, partials):
        root = str(path[0])
        known = keys.get(root, frozenset())
        second = path[1] if len(path) > 1 else None
        if known is None or not isinstance(second, str):
            keys[root] = None
        else:
            keys[root] = known | {second}
    return keys


def _globals(
    data: Mapping[str, JsonValue], mentioned: Mapping[str, frozenset[str] | None]
) -> Object:
    """The data that a template sees: what it mentions, and the time at which it is rendered."""
    shown = Object()
    for root, keys in mentioned.items():
        value = data.get(root)
        if isinstance(value, Mapping) and keys is not None:
            value = {key: value[key] for key in keys if key in value}
        if value is not None:
            shown[root] = _shown(value)
    now = data.get("now") or data.get("timestamp")
    if now is None:
        return shown
    return Object(shown, now=now, today=now[:_DAY] if isinstance(now, str) else now)


def _without_nulls(data: Mapping[str, JsonValue]) -> Object:
    return Object((key, _shown(value)) for key, value in data.items() if value is not None)


def _shown(value: JsonValue) -> object:
    if isinstance(value, Mapping):
        return _without_nulls(value)
    if isinstance(value, list):
        return ["" if item is None else _shown(item) for item in value]
    return value


@contextmanager
def _template_errors() -> Iterator[None]:
    """Raise every error as a `TemplateError`."""
    try:
        yield
    except Exception as error:
        raise _as_template_error(error) from error


def _as_template_error(error: Exception) -> TemplateError:
    """Any error of a template as a `TemplateError`."""
    if isinstance(error, TemplateError):
        return error
    if isinstance(error, LiquidError):
        return TemplateError(reason=_reason(error))
    return TemplateError(reason=f"{type(error).__name__}: {error}")


def _reason(error: LiquidError) -> str:
    message = str(error.args[0]) if error.args else type(error).__name__
    if "unexpected '\\\\'" in message:
        message += '; a name that has a dot is written in brackets: properties["utm.source"]'
    token = error.token
    if token is None or token.start_index < 0:
        return message
    return f"line {line_at(token.source, token.start_index)}: {message}"


_ROOTS = frozenset({"event", "properties", "context", "person", "timestamp", "type"})


def layout_of(source: str) -> Layout | None:
    """The layout of a template that only inserts values; None for any other."""
    pieces = [_piece(node) for node in compiled(source).nodes]
    return None if None in pieces else Layout.of([each for each in pieces if each is not None])


def _piece(node: Node) -> Piece | None:
    if isinstance(node, ContentNode):
        return node.text
    if isinstance(node, OutputNode) and isinstance(node.expression, FilteredExpression):
        return _placeholder(node.expression)
    return None


def _placeholder(expression: FilteredExpression) -> Placeholder | None:
    path = expression.left.path if isinstance(expression.left, Path) else []
    names = tuple(name for name in path if isinstance(name, str))
    if len(names) < len(path) or not names or names[0] not in _ROOTS:
        return None
    match expression.filters or []:
        case []:
            return Placeholder(names[0], names[1:], None)
        case [Filter(name="default", args=[PositionalArgument(value=StringLiteral(value=text))])]:
            return Placeholder(names[0], names[1:], text)
        case _:
            return None
