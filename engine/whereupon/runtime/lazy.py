"""Attributes that are computed when they are first asked for."""

import functools
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or sys.version_info >= (3, 12):
    cached_property = functools.cached_property
else:

    class cached_property(functools.cached_property):  # noqa: N801 - it replaces the other
        """`functools.cached_property` as it is from Python 3.12 on: without a lock.

        Before 3.12 all objects of a class share one lock. If a process forks while a thread computes a
        value, that lock stays locked in the child for ever. Without it, two threads may compute a value
        twice.
        """

        def __get__(self, instance: Any, owner: Any = None) -> Any:
            if instance is None:
                return self
            value = instance.__dict__[self.attrname] = self.func(instance)
            return value
