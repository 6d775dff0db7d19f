"""Liquid templates, sandboxed: the one home of python-liquid.

A template reads nothing but the data that it is given: no file, no other template, and no clock
(`now` and `today` are the data's own `now`, or its `timestamp`). A variable that is missing or
null raises where it would be written, so that nothing half-empty is sent; ``| default:`` and
``{% if %}`` are the ways to allow for it. Loops, output, nesting and local names are limited.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import ClassVar, NoReturn, TypeAlias, Union

from liquid import BoundTemplate, Environment, Expression, Node, RenderContext, Token, Undefined
from liquid.builtin.expressions import FilteredExpression, LoopExpression, Path
from liquid.exceptions import LiquidError, UndefinedError
from liquid.filter import with_context
from liquid.utils import ReadOnlyChainMap
from pydantic import JsonValue

from whereupon.codec import encode
from whereupon.times import parse_instant

VARIABLE_ROOTS = ("event", "properties", "context", "person", "timestamp", "type", "now", "today")
"""What a template may ask for; anything else is never there."""

_MARKUP = re.compile(r"\{\{|\{%")


class TemplateError(Exception):
    """A template is not well-formed, or could not be rendered.

    Attributes:
        reason: what is wrong, with the line within the template where it is known.
    """

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Template:
    """One Liquid template; two are equal when their sources are. Compiled once per source."""

    source: str

    def render(self, data: Mapping[str, JsonValue]) -> str:
        """Render with ``data``; raises `TemplateError`, naming the variable that is missing."""
        try:
            return _compiled(self.source).render(_globals(data, _mentioned(self.source)))
        except Exception as error:
            raise _as_told(error) from error

    def variables(self) -> tuple[tuple[str | int, ...], ...]:
        """Every variable of the data that the template mentions, in order of their names."""
        found = _compiled(self.source).analyze(include_partials=False).globals
        paths = {_plain_path(v.segments) for group in found.values() for v in group}
        return tuple(sorted(paths, key=str))

    def undefended(self) -> tuple[tuple[str | int, ...], ...]:
        """The variables that must be there: neither ``| default:`` nor ``{% if %}`` allows for less."""
        template = _compiled(self.source)
        context = RenderContext(template)
        needed = {
            path for node in template.nodes for path in _needed_below(node, context, frozenset())
        }
        return tuple(sorted(needed & set(self.variables()), key=str))


ContentValue: TypeAlias = Union[  # noqa: UP007 - a recursive alias needs the quoted form
    JsonValue, Template, Sequence["ContentValue"], Mapping[str, "ContentValue"]
]
Content: TypeAlias = Mapping[str, ContentValue]


def is_template(text: str) -> bool:
    """Whether a text holds anything that Liquid would act on."""
    return _MARKUP.search(text) is not None


def parse_template(source: str) -> Template:
    """Check and compile a template; raises `TemplateError` saying on which line it is wrong."""
    with _liquid_errors_told():
        template = _compiled(source)
        filters = template.analyze(include_partials=False).filters
    for name, spans in filters.items():
        if name not in template.env.filters:
            line = source.count("\n", 0, spans[0].index) + 1
            near = get_close_matches(name, template.env.filters, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise TemplateError(reason=f"line {line}: there is no filter {name!r}{hint}")
    return Template(source)


def render_content(content: Content, data: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Render every template of ``content`` (nested ones too); raises `TemplateError`."""
    return {key: _render_value(value, data) for key, value in content.items()}


def _render_value(value: ContentValue, data: Mapping[str, JsonValue]) -> JsonValue:
    if isinstance(value, Template):
        return value.render(data)
    if isinstance(value, Mapping):
        return {key: _render_value(inner, data) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_render_value(inner, data) for inner in value]
    return value


# --- the sandbox ------------------------------------------------------------------------------


class _Object(dict[str, object]):
    """A JSON object among the data, written out as JSON (and not as Python would write it)."""

    def __str__(self) -> str:
        return encode(self).decode()


class _Missing(Undefined):
    """A variable without a value: false in a condition, replaced by a default, never written."""

    __slots__ = ()
    force_liquid_default = True

    def _refuse(self, *_: object) -> NoReturn:
        where = str(self.name)
        if self.hint is not None and self.hint.endswith(" is undefined"):
            where = self.hint.removesuffix(" is undefined").strip("'")
        message = f"{where} has no value; add | default: '…' where it may be missing"
        raise UndefinedError(message, token=self.token)

    __str__ = __iter__ = __len__ = __int__ = __getitem__ = __reversed__ = _refuse

    def __bool__(self) -> bool:
        return False


class _Context(RenderContext):
    """A render context without Liquid's clock, where nothing turns a missing value into a text."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.scope = ReadOnlyChainMap(self.locals, self.globals, self.counters)

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        """The filter of that name; all but `default` pass a missing value on as it is."""
        apply = super().filter(name, token)
        if name == "default":
            return apply

        def checked(left: object, *args: object, **kwargs: object) -> object:
            missing = next((v for v in (left, *args) if isinstance(v, _Missing)), None)
            if missing is not None:
                return missing
            result = apply(left, *args, **kwargs)
            return _Missing(f"what `{name}` gives", token=token) if result is None else result

        return checked


class _Bound(BoundTemplate):
    context_class = _Context


class _Sandbox(Environment):
    """Liquid without what reads other templates, and with limits that no honest message reaches."""

    block_nesting_limit: ClassVar[int] = 20
    loop_iteration_limit: ClassVar[int | None] = 10_000
    local_namespace_limit: ClassVar[int | None] = 256 * 1024
    output_stream_limit: ClassVar[int | None] = 256 * 1024
    template_class: type[BoundTemplate] = _Bound

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """The standard tags and filters, but for `include` and `render`, and with our `date`."""
        super().setup_tags_and_filters(extra=extra)
        del self.tags["include"], self.tags["render"]
        self.add_filter("date", _date)


@with_context
def _date(value: object, form: str, *, context: RenderContext) -> str:
    """Write an instant (ISO 8601 or Unix time, in UTC) in the ``strftime`` form given."""
    if value in ("now", "today"):
        value = context.resolve("now")
    instant = parse_instant(value)
    if instant is None:
        reason = f"date: {value!s} is no date; give ISO 8601, such as 2026-01-31T09:00:00Z"
        raise LiquidError(reason, token=None)
    return instant.strftime(form)


@lru_cache(maxsize=1)
def _sandbox() -> _Sandbox:
    return _Sandbox(undefined=_Missing, strict_filters=True)


@lru_cache(maxsize=4096)
def _compiled(source: str) -> BoundTemplate:
    return _sandbox().from_string(source)


@lru_cache(maxsize=4096)
def _mentioned(source: str) -> Mapping[str, frozenset[str] | None]:
    """What a template mentions: of each variable the keys, or None where it is used as a whole."""
    keys: dict[str, frozenset[str] | None] = {}
    for path in Template(source).variables():
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
) -> _Object:
    """What a template sees of the data: what it mentions, and the time that it is written at."""
    shown = _Object()
    for root, keys in mentioned.items():
        value = data.get(root)
        if isinstance(value, Mapping) and keys is not None:
            value = {key: value[key] for key in keys if key in value}
        if value is not None:
            shown[root] = _shown(value)
    now = data.get("now") or data.get("timestamp")
    return shown if now is None else _Object(shown, now=now, today=now)


def _without_nulls(data: Mapping[str, JsonValue]) -> _Object:
    return _Object((key, _shown(value)) for key, value in data.items() if value is not None)


def _shown(value: JsonValue) -> object:
    if isinstance(value, Mapping):
        return _without_nulls(value)
    if isinstance(value, list):
        return ["" if item is None else _shown(item) for item in value]
    return value


@contextmanager
def _liquid_errors_told() -> Iterator[None]:
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
    token = error.token
    if token is None or token.start_index < 0:
        return message
    return f"line {token.source.count(chr(10), 0, token.start_index) + 1}: {message}"


# --- what a template needs ------------------------------------------------------------------------


def _needed_below(
    node: Node, context: RenderContext, allowed: frozenset[tuple[str | int, ...]]
) -> Iterator[tuple[str | int, ...]]:
    conditions: set[tuple[str | int, ...]] = set()
    for expression in node.expressions():
        if isinstance(expression, FilteredExpression):
            yield from set(_written_paths(expression)) - allowed
        elif isinstance(expression, LoopExpression):
            yield from set(_paths_in(expression)) - allowed
        else:
            conditions.update(_paths_in(expression))
    for child in node.children(context, include_partials=False):
        yield from _needed_below(child, context, allowed | conditions)


def _written_paths(expression: FilteredExpression) -> Iterator[tuple[str | int, ...]]:
    defaulted = any(f.name == "default" for f in expression.filters or ())
    inner = expression.children()[1:] if defaulted else expression.children()
    for part in inner:
        yield from _paths_in(part)


def _paths_in(expression: Expression) -> Iterator[tuple[str | int, ...]]:
    if isinstance(expression, Path):
        yield _plain_path(expression.path)
    for child in expression.children():
        yield from _paths_in(child)


def _plain_path(segments: Sequence[object]) -> tuple[str | int, ...]:
    return tuple(s if isinstance(s, str | int) else "*" for s in segments)
