"""Liquid templates, sandboxed: the one home of python-liquid.

A template reads nothing but the data that it is given: no file, no other template, and no clock
(`now` and `today` are the data's own `now`, or its `timestamp`). A variable that is missing or
null raises where it would be written, so that nothing half-empty is sent; ``| default:`` and
``{% if %}`` are the ways to allow for it. In markup what the data say is escaped. Work, sizes and
nesting are limited, by counting (`metering`).
"""

from whereupon.templates.faults import TemplateError
from whereupon.templates.fields import Use, one_line, use_of
from whereupon.templates.rendering import (
    VARIABLE_ROOTS,
    Content,
    ContentValue,
    Template,
    is_template,
    parse_template,
    render_content,
)

__all__ = [
    "VARIABLE_ROOTS",
    "Content",
    "ContentValue",
    "Template",
    "TemplateError",
    "Use",
    "is_template",
    "one_line",
    "parse_template",
    "render_content",
    "use_of",
]
