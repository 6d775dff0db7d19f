"""Liquid templates, sandboxed: the one home of python-liquid.

A template reads nothing but the data that it is given: no file, no other template, and no clock
(`now` and `today` are the data's own `now`, or its `timestamp`). A variable that is missing or
null raises where it would be written, so that nothing half-empty is sent; ``| default:`` and
``{% if %}`` are the ways to allow for it. Loops, output, nesting and local names are limited.
"""

from whereupon.templates.faults import TemplateError
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
    "is_template",
    "parse_template",
    "render_content",
]
