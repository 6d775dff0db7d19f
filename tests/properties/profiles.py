"""The number of examples of a property."""

from hypothesis import settings

_USUAL = 100


def examples(usual: int) -> settings:
    """The number in the suite; ``--hypothesis-profile=ci`` tries 5 times as many, ``deep`` 50 times."""
    factor = settings().max_examples / _USUAL
    return settings(max_examples=max(1, round(usual * factor)))
