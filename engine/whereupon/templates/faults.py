"""What is wrong with a template, whatever went wrong within it."""


class TemplateError(Exception):
    """A template is not well-formed, or could not be rendered.

    Attributes:
        reason: what is wrong, with the line within the template where it is known.
    """

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)
