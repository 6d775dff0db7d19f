"""What needs Liquid itself: imported when the first template is met, since it takes a while."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import tzinfo
from functools import lru_cache

from liquid import RenderContext
from liquid.exceptions import LiquidError
from pydantic import JsonValue

from whereupon.templates.checking import faults_of, line_at, source_fault
from whereupon.templates.faults import TemplateError
from whereupon.templates.filling import Piece
from whereupon.templates.metering import Meter
from whereupon.templates.needs import needed_below, plain_path
from whereupon.templates.plain import plain_pieces
from whereupon.templates.sandbox import Object, compiled, written

_DAY = len("2026-01-31")


def check(source: str) -> None:
    """Compile a template; raises `TemplateError` saying on which line it is wrong."""
    fault = source_fault(source)
    if fault is not None:
        raise TemplateError(reason=fault)
    with _errors_told():
        template = compiled(source)
    for fault in faults_of(source, template):
        raise TemplateError(reason=fault)


def pieces_of(source: str) -> tuple[Piece, ...] | None:
    """See `plain_pieces`."""
    return plain_pieces(compiled(source))


def render(
    source: str, data: Mapping[str, JsonValue], *, is_markup: bool, meter: Meter, zone: tzinfo
) -> str:
    """Render with ``data``; raises `TemplateError`, naming the variable that is missing."""
    with _errors_told():
        shown = _globals(data, _mentioned(source))
        return written(source, shown, is_markup=is_markup, meter=meter, zone=zone)


@lru_cache(maxsize=1024)
def variables_of(source: str) -> tuple[tuple[str | int, ...], ...]:
    """Every variable of the data that the template mentions, in order of their names."""
    found = compiled(source).analyze(include_partials=False).globals
    paths = {plain_path(v.segments) for group in found.values() for v in group}
    return tuple(sorted(paths, key=str))


def undefended_of(source: str) -> tuple[tuple[str | int, ...], ...]:
    """The variables that must be there: neither ``| default:`` nor ``{% if %}`` allows for less."""
    template = compiled(source)
    context = RenderContext(template)
    needed = {path for node in template.nodes for path in needed_below(node, context, frozenset())}
    return tuple(sorted(needed & set(variables_of(source)), key=str))


@lru_cache(maxsize=4096)
def _mentioned(source: str) -> Mapping[str, frozenset[str] | None]:
    """What a template mentions: of each variable the keys, or None where it is used as a whole."""
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
    """What a template sees of the data: what it mentions, and the time that it is written at."""
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
def _errors_told() -> Iterator[None]:
    """Let whatever goes wrong come out as a `TemplateError`."""
    try:
        yield
    except Exception as error:
        raise _as_told(error) from error


def _as_told(error: Exception) -> TemplateError:
    """Whatever goes wrong within a template, which is somebody else's program, as one error."""
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
