"""Templates as values: checked when a rule is read, rendered when a step is done."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import TypeAlias, Union

from liquid import RenderContext
from pydantic import JsonValue

from whereupon.templates.faults import TemplateError, as_told, liquid_errors_told
from whereupon.templates.needs import needed_below, plain_path
from whereupon.templates.plain import Piece, fill, plain_pieces
from whereupon.templates.sandbox import Object, compiled

VARIABLE_ROOTS = ("event", "properties", "context", "person", "timestamp", "type", "now", "today")
"""What a template may ask for; anything else is never there."""

_MARKUP = re.compile(r"\{\{|\{%")


@dataclass(frozen=True, slots=True)
class Template:
    """One Liquid template; two are equal when their sources are. Compiled once per source."""

    source: str

    def render(self, data: Mapping[str, JsonValue]) -> str:
        """Render with ``data``; raises `TemplateError`, naming the variable that is missing."""
        filled = fill(_pieces(self.source), data)
        if filled is not None:
            return filled
        try:
            return compiled(self.source).render(_globals(data, _mentioned(self.source)))
        except Exception as error:
            raise as_told(error) from error

    def variables(self) -> tuple[tuple[str | int, ...], ...]:
        """Every variable of the data that the template mentions, in order of their names."""
        found = compiled(self.source).analyze(include_partials=False).globals
        paths = {plain_path(v.segments) for group in found.values() for v in group}
        return tuple(sorted(paths, key=str))

    def undefended(self) -> tuple[tuple[str | int, ...], ...]:
        """The variables that must be there: neither ``| default:`` nor ``{% if %}`` allows for less."""
        template = compiled(self.source)
        context = RenderContext(template)
        needed = {
            path for node in template.nodes for path in needed_below(node, context, frozenset())
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
    with liquid_errors_told():
        template = compiled(source)
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


@lru_cache(maxsize=4096)
def _pieces(source: str) -> tuple[Piece, ...] | None:
    return plain_pieces(compiled(source))


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
    return shown if now is None else Object(shown, now=now, today=now)


def _without_nulls(data: Mapping[str, JsonValue]) -> Object:
    return Object((key, _shown(value)) for key, value in data.items() if value is not None)


def _shown(value: JsonValue) -> object:
    if isinstance(value, Mapping):
        return _without_nulls(value)
    if isinstance(value, list):
        return ["" if item is None else _shown(item) for item in value]
    return value
