"""Python's cycle collector during a long run of batches.

A batch makes tens of thousands of objects within a fraction of a second and lets go of them together,
hardly any of them in cycles. The collector, which counts what is made, would meanwhile go through them
and through the whole rulebook again and again: up to a third of all time, for nothing.

The collector belongs to the whole process, so a library must not touch it on its own: whoever runs the
process says so, by `bulk`.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def bulk() -> Iterator[None]:
    """Let the cycle collector look seldom, for as long as a replay, an import or a backfill takes.

    What is there already is left alone meanwhile. It concerns the whole process, so it is for scripts
    and commands, not for a server. Afterwards the collector is as it was before.
    """
    before, was_frozen = gc.get_threshold(), gc.get_freeze_count() > 0
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        if not was_frozen:  # what the host has frozen stays so
            gc.unfreeze()
