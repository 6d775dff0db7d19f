"""Templates as values: they are checked when a rule is read, and rendered when a step is done."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias, Union

from pydantic import JsonValue

from whereupon.templates.html_places import guarded, unsafe_values
from whereupon.templates.interpolation import Piece, interpolate
from whereupon.templates.template_error import UnsafeValueError
from whereupon.templates.text_use import Use, one_line

if TYPE_CHECKING:
    from whereupon.templates.meter import Meter

VARIABLE_ROOTS = (
    *("event", "properties", "context", "person", "timestamp", "type", "now", "today"),
    *("run", "secrets"),
)
"""The variables that a template may have; no other is ever there."""

_MARKUP = re.compile(r"\{\{|\{%")


@dataclass(slots=True)
class MessageRendering:
    """The rendering of one message: all its texts share one budget.

    Attributes:
        zone: the timezone of dates.
        meter: the budget; made with the first text that needs Liquid.
    """

    zone: tzinfo = UTC
    meter: "Meter | None" = None

    def liquid(self, source: str, data: Mapping[str, JsonValue], *, is_markup: bool) -> str:
        """Render a template with Liquid."""
        from whereupon.templates.liquid_adapter import render  # noqa: PLC0415 - slow to import
        from whereupon.templates.meter import Meter  # noqa: PLC0415 - it needs Liquid as well

        if self.meter is None:
            self.meter = Meter()
        return render(source, data, is_markup=is_markup, meter=self.meter, zone=self.zone)


@dataclass(frozen=True, slots=True)
class Template:
    """One Liquid template. Two templates are equal if their sources and uses are. It is compiled once per source."""

    source: str
    use: Use = Use.TEXT

    def render(
        self, data: Mapping[str, JsonValue], rendering: MessageRendering | None = None
    ) -> str:
        """Render with ``data``; raises `TemplateError`, naming the variable that is missing."""
        is_markup = self.use.is_markup
        source = guarded(self.source) if is_markup else self.source
        text = interpolate(_pieces(source), data, is_markup=is_markup)
        if text is None:
            text = (rendering or MessageRendering()).liquid(source, data, is_markup=is_markup)
        return one_line(text) if self.use.is_line else text

    def variables(self) -> tuple[tuple[str | int, ...], ...]:
        """Every variable that the template mentions, in order of their names."""
        from whereupon.templates.liquid_adapter import variables_of  # noqa: PLC0415 - slow to import

        return variables_of(self.source)

    def required_variables(self) -> tuple[tuple[str | int, ...], ...]:
        """The variables for which neither ``| default:`` nor ``{% if %}`` allows that they are missing."""
        from whereupon.templates.liquid_adapter import required_variables_of  # noqa: PLC0415 - slow to import

        return required_variables_of(self.source)


ContentValue: TypeAlias = Union[  # noqa: UP007 - a recursive alias needs the quoted form
    JsonValue, Template, Sequence["ContentValue"], Mapping[str, "ContentValue"]
]
Content: TypeAlias = Mapping[str, ContentValue]


def is_template(text: str) -> bool:
    """Whether a text has markup of Liquid."""
    return _MARKUP.search(text) is not None


def parse_template(source: str, use: Use = Use.TEXT) -> Template:
    """Check and compile a template; raises `TemplateError` with the line of a fault."""
    from whereupon.templates.liquid_adapter import check  # noqa: PLC0415 - slow to import

    check(source)
    for value in unsafe_values(source) if use.is_markup else ():
        if value.fault is not None:
            line = source.count("\n", 0, value.start) + 1
            shown = " ".join(source[value.start : value.end].split())[:40]
            raise UnsafeValueError(reason=f"line {line}: {shown} {value.fault}")
    return Template(source, use)


def parse_mjml(source: str) -> tuple[Template, tuple[str, ...]]:
    """Compile MJML to a template in HTML; raises `TemplateError` with the line of a fault.

    Returns:
        The template, and what is likely a mistake in the source.
    """
    from whereupon.templates.liquid_adapter import check  # noqa: PLC0415 - slow to import
    from whereupon.templates.mjml import compile_mjml  # noqa: PLC0415 - rarely needed

    check(source)  # first, so that the lines are those of the source
    compiled = compile_mjml(source)
    return parse_template(compiled.html, Use.MARKUP), compiled.warnings


def render_content(
    content: Content, data: Mapping[str, JsonValue], *, zone: tzinfo = UTC
) -> dict[str, JsonValue]:
    """Render every template of ``content`` (nested ones too); raises `TemplateError`."""
    rendering = MessageRendering(zone)
    return {key: _render_value(value, data, rendering) for key, value in content.items()}


def _render_value(
    value: ContentValue, data: Mapping[str, JsonValue], rendering: MessageRendering
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
    from whereupon.templates.liquid_adapter import pieces_of  # noqa: PLC0415 - slow to import

    return pieces_of(source)
