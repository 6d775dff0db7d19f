"""Templates as values: checked when a rule is read, rendered when a step is done."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias, Union

from pydantic import JsonValue

from whereupon.templates.fields import Use, one_line
from whereupon.templates.filling import Piece, fill

if TYPE_CHECKING:
    from whereupon.templates.metering import Meter

VARIABLE_ROOTS = ("event", "properties", "context", "person", "timestamp", "type", "now", "today")
"""What a template may ask for; anything else is never there."""

_MARKUP = re.compile(r"\{\{|\{%")


@dataclass(slots=True)
class Rendering:
    """The rendering of one message: all its texts share what they may use up.

    Attributes:
        zone: whose clock dates are on.
    """

    zone: tzinfo = UTC
    meter: "Meter | None" = None

    def liquid(self, source: str, data: Mapping[str, JsonValue], *, is_markup: bool) -> str:
        """The text of a template that Liquid has to render."""
        from whereupon.templates.liquids import render  # noqa: PLC0415 - see there
        from whereupon.templates.metering import Meter  # noqa: PLC0415 - it needs Liquid as well

        if self.meter is None:
            self.meter = Meter()
        return render(source, data, is_markup=is_markup, meter=self.meter, zone=self.zone)


@dataclass(frozen=True, slots=True)
class Template:
    """One Liquid template; two are equal when their sources and uses are. Compiled once per source."""

    source: str
    use: Use = Use.TEXT

    def render(self, data: Mapping[str, JsonValue], rendering: Rendering | None = None) -> str:
        """Render with ``data``; raises `TemplateError`, naming the variable that is missing."""
        is_markup = self.use is Use.MARKUP
        text = fill(_pieces(self.source), data, is_markup=is_markup)
        if text is None:
            text = (rendering or Rendering()).liquid(self.source, data, is_markup=is_markup)
        return one_line(text) if self.use is Use.LINE else text

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


def parse_template(source: str, use: Use = Use.TEXT) -> Template:
    """Check and compile a template; raises `TemplateError` saying on which line it is wrong."""
    from whereupon.templates.liquids import check  # noqa: PLC0415 - see there

    check(source)
    return Template(source, use)


def render_content(
    content: Content, data: Mapping[str, JsonValue], *, zone: tzinfo = UTC
) -> dict[str, JsonValue]:
    """Render every template of ``content`` (nested ones too); raises `TemplateError`."""
    rendering = Rendering(zone)
    return {key: _render_value(value, data, rendering) for key, value in content.items()}


def _render_value(
    value: ContentValue, data: Mapping[str, JsonValue], rendering: Rendering
) -> JsonValue:
    if isinstance(value, Template):
        return value.render(data, rendering)
    if isinstance(value, Mapping):
        return {key: _render_value(inner, data, rendering) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_render_value(inner, data, rendering) for inner in value]
    return value


@lru_cache(maxsize=4096)
def _pieces(source: str) -> tuple[Piece, ...] | None:
    from whereupon.templates.liquids import pieces_of  # noqa: PLC0415 - see there

    return pieces_of(source)
