"""The templates in the plain data of a rule file."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from pydantic import JsonValue

from whereupon.errors import Diagnostic, Location
from whereupon.templates import NO_PARTIALS, Template, TemplateError, is_template, parse_template

Path: TypeAlias = tuple[str | int, ...]


def templates_in(
    raw: JsonValue, path: Path, partials: Mapping[str, str] = NO_PARTIALS
) -> Iterator[tuple[Path, Template]]:
    """Every template that is written in a value, however deep, and its place; those with errors are left out.

    Args:
        partials: the sources of all partials that there are, by name.
    """
    if isinstance(raw, str) and is_template(raw):
        try:
            yield path, parse_template(raw, partials=partials)
        except TemplateError:
            return
    inner = (
        raw.items() if isinstance(raw, dict) else enumerate(raw if isinstance(raw, list) else ())
    )
    for key, value in inner:
        yield from templates_in(value, (*path, key), partials)


def mentioned(found: Diagnostic, template: Template, variable: Path) -> Diagnostic:
    """A diagnostic about a variable, with its place in the text or in a partial."""
    return replace(found, location=Location(*template.place_of(variable)))


def partials_in(raw: JsonValue, partials: Mapping[str, str]) -> dict[str, JsonValue]:
    """Those of the partials that the texts in a value render, at any depth."""
    if not partials:
        return {}
    found = (each for _, template in templates_in(raw, (), partials) for each in template.partials)
    return dict(sorted(found))
