"""How many functions some work calls, which no other work on the machine changes.

Counted by the object of each function's code: `pstats` knows a function by file, line and name, of which all
dataclasses' ``__init__`` have the same, so that it forgets all of them but one.
"""

from collections import Counter
from collections.abc import Callable
from cProfile import Profile
from types import CodeType


def calls_of(work: Callable[[], object]) -> int:
    """How many functions work calls, those in C included."""
    return calls_by_name(work).total()


def calls_by_name(work: Callable[[], object]) -> Counter[str]:
    """How often work calls functions of each name, those in C included."""
    profile = Profile()
    profile.runcall(work)
    calls: Counter[str] = Counter()
    for entry in profile.getstats():
        code = entry.code
        calls[code.co_name if isinstance(code, CodeType) else code] += entry.callcount
    return calls
