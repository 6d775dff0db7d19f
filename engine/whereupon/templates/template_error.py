"""The errors of templates."""

import re
from typing import Final

_LINE: Final = re.compile(r"line (\d+): ")


class TemplateError(Exception):
    """A template is not well-formed, or could not be rendered.

    Attributes:
        reason: what is wrong, with the line in the template if it is known.
        partial: the name of the partial that is at fault; empty if it is the text itself.
    """

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        self.partial = ""
        super().__init__(reason)

    @property
    def line(self) -> int:
        """The line in the text, or in the partial, from 1; 1 if it is not known."""
        found = _LINE.match(self.reason)
        return int(found[1]) if found else 1


class UnsafeValueError(TemplateError):
    """A value stands in HTML where escapes do not keep it from becoming markup or a script."""


class MjmlError(TemplateError):
    """A text is not MJML, or cannot be compiled here."""


class UnknownPartialError(TemplateError):
    """A template renders a partial that does not exist.

    Attributes:
        name: of the partial.
    """

    def __init__(self, *, name: str, line: int) -> None:
        self.name = name
        super().__init__(reason=f"line {line}: there is no partial {name!r}")


class PartialCycleError(TemplateError):
    """Partials render one another in a circle, or too deep."""
