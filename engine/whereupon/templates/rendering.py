"""Templates as values: checked when a rule is read, rendered when a step is done."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias, Union

from pydantic import JsonValue

from whereupon.templates.filling import Piece, fill

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
        from whereupon.templates.liquids import render  # noqa: PLC0415 - see there

        return render(self.source, data)

    def variables(self) -> tuple[tuple[str | int, ...], ...]:
        """Every variable of the data that the template mentions, in order of their names."""
        from whereupon.templates.liquids import variables_of  # noqa: PLC0415 - see there

        return variables_of(self.source)

    def undefended(self) -> tuple[tuple[str | int, ...], ...]:
        """The variables that must be there: neither ``| default:`` nor ``{% if %}`` allows for less."""
        from whereupon.templates.liquids import undefended_of  # noqa: PLC0415 - see there

        return undefended_of(self.source)


ContentValue: TypeAlias = Union[  # noqa: UP007 - a recursive alias needs the quoted form
    JsonValue, Template, Sequence["ContentValue"], Mapping[str, "ContentValue"]
]
Content: TypeAlias = Mapping[str, ContentValue]


def is_template(text: str) -> bool:
    """Whether a text holds anything that Liquid would act on."""
    return _MARKUP.search(text) is not None


def parse_template(source: str) -> Template:
    """Check and compile a template; raises `TemplateError` saying on which line it is wrong."""
    from whereupon.templates.liquids import check  # noqa: PLC0415 - see there

    check(source)
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
    from whereupon.templates.liquids import pieces_of  # noqa: PLC0415 - see there

    return pieces_of(source)
