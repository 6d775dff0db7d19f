"""Python's cycle collector during a long run of batches.

A batch makes tens of thousands of objects in a fraction of a second and frees them together. Hardly any
of them are in cycles. The collector counts new objects. So it would go through them and the whole
rulebook again and again, which takes up to a third of the time and frees nothing.

The collector belongs to the whole process, so the library never changes it by itself. The program that
owns the process does so by `bulk`.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

MORE_THAN_A_BATCH: Final = 50_000
"""Objects; a thousand people who are woken in one transaction take half as many."""


def keep_loaded() -> None:
    """Leave what the process has loaded, the rulebook above all, out of all later collections.

    For a process of ours that has opened its rules and goes on for long. The collector runs once there are more
    new objects than one transaction makes, which are free again before it would have gone through them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(MORE_THAN_A_BATCH, 10, 10)


@contextmanager
def bulk() -> Iterator[None]:
    """Run the cycle collector seldom during a replay, an import or a backfill.

    Objects that exist already are not collected meanwhile. The whole process is affected, so use it in
    scripts and commands, not in a server. Afterwards the collector is as it was before.
    """
    before, was_frozen = gc.get_threshold(), gc.get_freeze_count() > 0
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        if not was_frozen:  # objects that the host has frozen stay frozen
            gc.unfreeze()
