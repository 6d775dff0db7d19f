"""Calling one function of the host's: its failure becomes a value, and what has not run counts as failed."""

import inspect
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_HAS_TO_RUN = (
    "it is called in a thread of its own, and has to do its work there: "
    "write a plain function, or for a channel an `async` one that is registered as it is"
)
_GENERATORS = (inspect.isgeneratorfunction, inspect.isasyncgenfunction)


class NotRunError(Exception):
    """A function of the host's returned without having done anything: its body has yet to run."""


def called(function: Callable[[T], object], argument: T) -> tuple[object, BaseException | None]:
    """Call a function of the host's; what it returned, and what it failed on.

    What an ``async`` function or a generator returns has not begun to run, and nothing here runs it. That is a
    failure; otherwise the work would be lost in silence.
    """
    try:
        returned = function(argument)
    except BaseException as error:  # noqa: BLE001 - the host's code: its failure becomes a record
        return None, error
    if not has_not_run(returned):
        return returned, None
    if inspect.iscoroutine(returned) or inspect.isgenerator(returned):
        returned.close()
    return None, NotRunError(_HAS_TO_RUN)


def has_not_run(returned: object) -> bool:
    """Whether what a function returned has its work still before it."""
    tests = (inspect.isgenerator, inspect.isawaitable, inspect.isasyncgen)
    return any(is_late(returned) for is_late in tests)


def is_async(function: Callable[..., object]) -> bool:
    """Whether a function, or an object's ``__call__``, is ``async``."""
    method = getattr(type(function), "__call__", None)  # noqa: B004 - it is looked at, not asked for
    return any(map(inspect.iscoroutinefunction, (function, method)))


def check_callable(function: Callable[..., object]) -> None:
    """Refuse, at registration, what cannot be called, and a generator, which would do nothing.

    Raises:
        TypeError: it is one of these.
    """
    if not callable(function):
        message = f"a function is needed, and this is {type(function).__name__}"
        raise TypeError(message)
    if any(is_late(function) for is_late in _GENERATORS):
        raise TypeError(_HAS_TO_RUN)


def check_runs(function: Callable[..., object]) -> None:
    """Refuse, at registration, a function that cannot do its work in one plain call.

    Raises:
        TypeError: it is not callable, or it is ``async`` or a generator.
    """
    check_callable(function)
    if is_async(function):
        raise TypeError(_HAS_TO_RUN)
