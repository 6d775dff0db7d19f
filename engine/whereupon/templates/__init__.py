"""Templates: Liquid in a sandbox, MJML, and the only package that imports python-liquid, mrml and Babel.

A template reads the given data and partials alone: no file, no clock (`now` and `today` come from the
data). A missing or null variable raises where it would be written, unless ``| default:`` or ``{% if %}``
allows for it; so no incomplete message is sent. In markup, data are escaped. Work, sizes and nesting are
counted and limited (`meter`). Others use the names below.
"""

from whereupon.templates.addressee import Addressee
from whereupon.templates.secret_places import (
    CallTemplate,
    asks_for_secrets,
    fill_in,
    secret_fault,
    secret_names,
    secrets_in,
)
from whereupon.templates.template import (
    NO_PARTIALS,
    VARIABLE_ROOTS,
    Content,
    ContentValue,
    Template,
    is_template,
    parse_mjml,
    parse_template,
    render_content,
)
from whereupon.templates.template_error import (
    MjmlError,
    PartialCycleError,
    TemplateError,
    UnknownPartialError,
    UnsafeValueError,
)
from whereupon.templates.text_use import LINES, Use, one_line, use_of

__all__ = [
    "LINES",
    "NO_PARTIALS",
    "VARIABLE_ROOTS",
    "Addressee",
    "CallTemplate",
    "Content",
    "ContentValue",
    "MjmlError",
    "PartialCycleError",
    "Template",
    "TemplateError",
    "UnknownPartialError",
    "UnsafeValueError",
    "Use",
    "asks_for_secrets",
    "fill_in",
    "is_template",
    "one_line",
    "parse_mjml",
    "parse_template",
    "render_content",
    "secret_fault",
    "secret_names",
    "secrets_in",
    "use_of",
]
