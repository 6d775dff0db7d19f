"""Attributes that are computed when they are first asked for."""

import functools
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or sys.version_info >= (3, 12):
    cached_property = functools.cached_property
else:

    class cached_property(functools.cached_property):  # noqa: N801 - it stands in for the other
        """`functools.cached_property` as it is from Python 3.12 on: without a lock.

        The lock is the class's, not the object's. A process that forks while a thread computes a value
        would leave it locked in the child for ever. Two threads may compute a value twice.
        """

        def __get__(self, instance: Any, owner: Any = None) -> Any:
            if instance is None:
                return self
            value = instance.__dict__[self.attrname] = self.func(instance)
            return value
