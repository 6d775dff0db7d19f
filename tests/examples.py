"""The number of examples of a property, which follows from the profile of the run."""

from hypothesis import settings

FULL = 100
"""Of a property that says no number, with the profile ``full``."""


def examples(full: int) -> settings:
    """The number in a full run; the suite tries 4 of 10 of them, others each time, and ``deep`` 50 times as many."""
    factor = settings().max_examples / FULL
    return settings(max_examples=max(1, round(full * factor)))


def seeds(number: int) -> range:
    """The seeds of a property that makes its examples itself: the same ones each time, and with ``deep`` 50 times as many."""
    return range(max(number, examples(number).max_examples))
