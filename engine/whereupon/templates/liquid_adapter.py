"""Everything that needs Liquid. It is imported with the first template, because importing is slow."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import tzinfo
from functools import lru_cache

from liquid import Node, RenderContext
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

from whereupon.templates.interpolation import Piece, Placeholder
from whereupon.templates.meter import Meter
from whereupon.templates.sandbox import Object, compiled, render_source
from whereupon.templates.syntax import is_only_written, required_below, variable_path
from whereupon.templates.template_error import TemplateError
from whereupon.templates.template_faults import faults_of, line_at, source_fault

_DAY = len("2026-01-31")


def check(source: str) -> None:
    """Compile a template; raises `TemplateError` with the line of a fault."""
    fault = source_fault(source)
    if fault is not None:
        raise TemplateError(reason=fault)
    with _template_errors():
        template = compiled(source)
    for fault in faults_of(source, template):
        raise TemplateError(reason=fault)


def render(
    source: str, data: Mapping[str, JsonValue], *, is_markup: bool, meter: Meter, zone: tzinfo
) -> str:
    """Render with ``data``; raises `TemplateError`, naming the variable that is missing."""
    with _template_errors():
        shown = _globals(data, _mentioned(source))
        return render_source(source, shown, is_markup=is_markup, meter=meter, zone=zone)


@lru_cache(maxsize=1024)
def variables_of(source: str) -> tuple[tuple[str | int, ...], ...]:
    """Every variable that the template mentions, in order of their names."""
    found = compiled(source).analyze(include_partials=False).globals
    paths = {variable_path(v.segments) for group in found.values() for v in group}
    return tuple(sorted(paths, key=str))


def required_variables_of(source: str) -> tuple[tuple[str | int, ...], ...]:
    """The variables for which neither ``| default:`` nor ``{% if %}`` allows that they are missing."""
    template = compiled(source)
    context = RenderContext(template)
    needed = {
        path for node in template.nodes for path in required_below(node, context, frozenset())
    }
    return tuple(sorted(needed & set(variables_of(source)), key=str))


@lru_cache(maxsize=1024)
def plainly_written(source: str, root: str) -> bool:
    """Whether every variable of a root stands in the text as it is: no filter, no tag."""
    return is_only_written(compiled(source), root)


@lru_cache(maxsize=4096)
def _mentioned(source: str) -> Mapping[str, frozenset[str] | None]:
    """The keys of each variable that a template mentions; None if it uses the variable as a whole."""
    keys: dict[str, frozenset[str] | None] = {}
    for path in variables_of(source):
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


def pieces_of(source: str) -> tuple[Piece, ...] | None:
    """The pieces of a template that only inserts values; None for any other."""
    pieces = [_piece(node) for node in compiled(source).nodes]
    return None if None in pieces else tuple(piece for piece in pieces if piece is not None)


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
            return Placeholder(names, None)
        case [Filter(name="default", args=[PositionalArgument(value=StringLiteral(value=text))])]:
            return Placeholder(names, text)
        case _:
            return None
