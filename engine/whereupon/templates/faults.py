"""What is wrong with a template, whatever went wrong within it."""

from collections.abc import Iterator
from contextlib import contextmanager

from liquid.exceptions import LiquidError


class TemplateError(Exception):
    """A template is not well-formed, or could not be rendered.

    Attributes:
        reason: what is wrong, with the line within the template where it is known.
    """

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@contextmanager
def liquid_errors_told() -> Iterator[None]:
    """Let whatever goes wrong come out as a `TemplateError`."""
    try:
        yield
    except Exception as error:
        raise as_told(error) from error


def as_told(error: Exception) -> TemplateError:
    """Whatever goes wrong within a template, which is somebody else's program, as one error."""
    if isinstance(error, TemplateError):
        return error
    if isinstance(error, LiquidError):
        return TemplateError(reason=_reason(error))
    return TemplateError(reason=f"{type(error).__name__}: {error}")


def _reason(error: LiquidError) -> str:
    message = str(error.args[0]) if error.args else type(error).__name__
    token = error.token
    if token is None or token.start_index < 0:
        return message
    return f"line {token.source.count(chr(10), 0, token.start_index) + 1}: {message}"
