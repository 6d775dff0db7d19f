"""Liquid templates, sandboxed: the one home of python-liquid. (Interface; see the loading branch.)"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import JsonValue


class TemplateError(Exception):
    """A template could not be rendered: a missing variable without a default, a limit passed."""


@dataclass(frozen=True, slots=True)
class Template:
    """One Liquid template."""

    source: str

    def render(self, data: Mapping[str, JsonValue]) -> str:
        """Render with ``data``; raises `TemplateError`."""
        raise NotImplementedError


Content: TypeAlias = Mapping[str, JsonValue | Template]


def render_content(content: Content, data: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Render every template of ``content`` (nested ones too); raises `TemplateError`."""
    raise NotImplementedError
