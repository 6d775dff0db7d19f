"""The channels that a file can name: the classes of `whereupon.channels`, and functions and objects of the host's."""

import inspect
import re
from collections.abc import Callable
from importlib import import_module

import whereupon.channels as ready
from whereupon.errors import UnknownNameError

Maker = Callable[..., object]


def ready_channels() -> dict[str, Maker]:
    """The ready channels by the name that ``use`` has for them, such as ``email`` or ``in-app``."""
    found = {name: getattr(ready, name) for name in ready.__all__}
    return {
        _plain(name): each
        for name, each in sorted(found.items())
        if inspect.isclass(each) and (hasattr(each, "send") or hasattr(each, "send_many"))
    }


def channel_named(use: str) -> Maker | object:
    """A ready channel's class, or what ``module:name`` leads to.

    Raises:
        UnknownNameError: there is no ready channel of that name, or the module has no such name.
        ImportError: the module cannot be imported.
    """
    if ":" not in use:
        known = ready_channels()
        if use not in known:
            raise UnknownNameError(kind="ready channel", name=use, known=tuple(known))
        return known[use]
    return found_in_module(use)


def found_in_module(use: str) -> object:
    """What ``module:name`` leads to.

    Raises:
        UnknownNameError: the module has no such name.
        ImportError: the module cannot be imported.
    """
    module, _, path = use.partition(":")
    found: object = import_module(module)
    for name in path.split("."):
        if not hasattr(found, name):
            raise UnknownNameError(kind=f"{path} in {module}", name=name)
        found = getattr(found, name)
    return found


def _plain(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()
