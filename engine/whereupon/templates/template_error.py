"""The one error of templates."""


class TemplateError(Exception):
    """A template is not well-formed, or could not be rendered.

    Attributes:
        reason: what is wrong, with the line in the template if it is known.
    """

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class UnsafeValueError(TemplateError):
    """A value stands in HTML where escapes do not keep it from becoming markup or a script."""


class MjmlError(TemplateError):
    """A text is not MJML, or cannot be compiled here."""
