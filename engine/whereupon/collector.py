"""Python's cycle collector, kept from looking through a batch that is being worked on.

A batch makes tens of thousands of objects within a fraction of a second and lets go of them together,
hardly any of them in cycles. The collector, which counts what is made, would meanwhile go through them
and through the whole rulebook again and again: a third of all time, for nothing.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """Pause the collector, as long as this block takes at most; one that is off stays off.

    Of blocks that overlap, in several threads, the first to end lets it go on: a host that is never
    idle still collects.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def calm() -> Iterator[None]:
    """For a long run of batches: what is there already is left alone, and the rest looked at seldom."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
