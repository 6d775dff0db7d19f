"""Templates as values: they are checked when a rule is read, and rendered when a step is done."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias, Union

from pydantic import JsonValue

from whereupon.templates.addressee import Addressee
from whereupon.templates.html_places import guarded, is_left_open, unsafe_values
from whereupon.templates.interpolation import Layout, interpolate
from whereupon.templates.places import Place, VariablePath, line_and_column
from whereupon.templates.template_error import UnsafeValueError
from whereupon.templates.text_use import LINES, MARKUPS, Use, one_line

if TYPE_CHECKING:
    from whereupon.templates.meter import Meter
    from whereupon.templates.partials import Partials

VARIABLE_ROOTS = (
    *("event", "properties", "context", "person", "timestamp", "type", "now", "today"),
    *("run", "secrets"),
)
"""The variables that a template may have; no other is ever there."""

NO_PARTIALS: Final[Mapping[str, str]] = MappingProxyType({})

_TEXT = Use.TEXT  # an attribute of an enumeration is looked up slowly
_MARKUP = re.compile(r"\{\{|\{%")


@dataclass(slots=True)
class MessageRendering:
    """The rendering of one message: all its texts share one budget.

    Attributes:
        addressee: gives on whose clock dates are, and in which language numbers; asked by a text that needs Liquid.
        meter: the budget; made with the first text that needs Liquid.
    """

    addressee: Callable[[], Addressee] = Addressee
    meter: "Meter | None" = None

    def liquid(
        self, source: str, data: Mapping[str, JsonValue], partials: "Partials", *, is_markup: bool
    ) -> str:
        """Render a template with Liquid."""
        from whereupon.templates.liquid_adapter import render  # noqa: PLC0415 - slow to import
        from whereupon.templates.meter import Meter  # noqa: PLC0415 - it needs Liquid as well

        if self.meter is None:
            self.meter = Meter()
        return render(
            source,
            data,
            partials=partials,
            is_markup=is_markup,
            meter=self.meter,
            addressee=self.addressee(),
        )


@dataclass(frozen=True, slots=True)
class Template:
    """One Liquid template. Two are equal if their sources, uses and partials are. It is compiled once per source.

    Attributes:
        partials: the names and sources of the partials that it renders, also through partials.
    """

    source: str
    use: Use = Use.TEXT
    partials: "Partials" = ()

    def render(
        self, data: Mapping[str, JsonValue], rendering: MessageRendering | None = None
    ) -> str:
        """Render with ``data``; raises `TemplateError`, naming the variable that is missing."""
        text = self.interpolated(data)
        if text is not None:
            return text
        use = self.use
        is_markup = use in MARKUPS
        source = guarded(self.source) if is_markup else self.source
        whole = rendering or MessageRendering()
        text = whole.liquid(source, data, self.partials, is_markup=is_markup)
        return one_line(text) if use in LINES else text

    def interpolated(self, data: Mapping[str, JsonValue]) -> str | None:
        """Render with ``data`` if the template only inserts values; None if Liquid is needed."""
        use, source = self.use, self.source
        if use is _TEXT:
            return interpolate(_layout(source), data)
        is_markup = use in MARKUPS
        layout = _layout(guarded(source) if is_markup else source)
        text = interpolate(layout, data, is_markup=is_markup)
        return text if text is None or use not in LINES else one_line(text)

    def variables(self) -> tuple[VariablePath, ...]:
        """Every variable that the template and its partials mention, in order of their names."""
        from whereupon.templates.liquid_adapter import variables_of  # noqa: PLC0415 - slow to import

        return variables_of(self.source, self.partials)

    def required_variables(self) -> tuple[VariablePath, ...]:
        """The variables for which neither ``| default:`` nor ``{% if %}`` allows that they are missing."""
        from whereupon.templates.liquid_adapter import required_variables_of  # noqa: PLC0415 - slow to import

        return required_variables_of(self.source, self.partials)

    def place_of(self, variable: VariablePath) -> Place:
        """Where a variable is mentioned first, in the template or in one of its partials."""
        from whereupon.templates.liquid_adapter import places_of  # noqa: PLC0415 - slow to import

        return places_of(self.source, self.partials).get(variable, Place())


ContentValue: TypeAlias = Union[  # noqa: UP007 - a recursive alias needs the quoted form
    JsonValue, Template, Sequence["ContentValue"], Mapping[str, "ContentValue"]
]
Content: TypeAlias = Mapping[str, ContentValue]


def is_template(text: str) -> bool:
    """Whether a text has markup of Liquid."""
    return _MARKUP.search(text) is not None


def parse_template(
    source: str, use: Use = Use.TEXT, partials: Mapping[str, str] = NO_PARTIALS
) -> Template:
    """Check and compile a template; raises `TemplateError` with the line of a fault.

    Args:
        partials: the sources of all partials that there are, by name.
    """
    from whereupon.templates.liquid_adapter import check  # noqa: PLC0415 - slow to import

    rendered = check(source, partials)
    if use in MARKUPS:
        _check_markup(source, rendered)
    return Template(source, use, rendered)


def _check_markup(source: str, partials: "Partials") -> None:
    """Raise `UnsafeValueError` for a value that escapes do not make safe, in the text or in a partial."""
    for name, text in (("", source), *partials):
        for value in unsafe_values(text):
            if value.fault is not None:
                shown = " ".join(text[value.start : value.end].split())[:40]
                raise _unsafe(text, value.start, f"{shown} {value.fault}", name)
        if name and (begin := is_left_open(text)) is not None:
            fault = "this is still open at the end of the partial; close it there"
            raise _unsafe(text, begin, fault, name)


def _unsafe(text: str, start: int, fault: str, partial: str) -> UnsafeValueError:
    line, _ = line_and_column(text, start)
    error = UnsafeValueError(reason=f"line {line}: {fault}")
    error.partial = partial
    return error


def parse_mjml(
    source: str, partials: Mapping[str, str] = NO_PARTIALS
) -> tuple[Template, tuple[str, ...]]:
    """Compile MJML to a template in HTML; raises `TemplateError` with the line of a fault.

    Returns:
        The template, and what is likely a mistake in the source.
    """
    from whereupon.templates.liquid_adapter import check  # noqa: PLC0415 - slow to import
    from whereupon.templates.mjml import compile_mjml  # noqa: PLC0415 - rarely needed

    check(source, partials)  # first, so that the lines are those of the source
    compiled = compile_mjml(source)
    return parse_template(compiled.html, Use.MARKUP, partials), compiled.warnings


def render_content(
    content: Content,
    data: Mapping[str, JsonValue],
    *,
    addressee: Callable[[], Addressee] = Addressee,
) -> dict[str, JsonValue]:
    """Render every template of ``content`` (nested ones too); raises `TemplateError`.

    Args:
        addressee: gives whom the texts are for, if a text asks.
    """
    rendering: MessageRendering | None = None
    rendered: dict[str, JsonValue] = {}
    for key, value in content.items():
        if type(value) is str:
            rendered[key] = value
            continue
        text = value.interpolated(data) if type(value) is Template else None
        if text is None:
            rendering = rendering or MessageRendering(addressee)
            rendered[key] = _render_value(value, data, rendering)
        else:
            rendered[key] = text
    return rendered


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
def _layout(source: str) -> Layout | None:
    from whereupon.templates.liquid_adapter import layout_of  # noqa: PLC0415 - slow to import

    return layout_of(source)
