"""What a full collection goes through in a process that serves rules."""

import subprocess
import sys

_SERVES = """
import gc
from whereupon import Engine
from whereupon.rules.model import Rule
from whereupon.runtime.gc_pause import keep_loaded

def tracked():
    return sum(1 for each in gc.get_objects() if isinstance(each, Rule))

with Engine.open("memory://", rules="rules") as engine:
    before = tracked()
    keep_loaded()
    kept = tracked()
    enabled, threshold = gc.isenabled(), gc.get_threshold()
    engine.track("Order Completed", user_id="ada")
    gc.collect()
    print(before > 0, kept, tracked(), enabled, threshold == (700, 10, 10))
"""


def test_a_full_collection_leaves_the_rules_out() -> None:
    """As `whereupon run` and `whereupon serve` open them; the collector itself goes on as it was."""
    done = subprocess.run(
        [sys.executable, "-c", _SERVES], check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == ["True", "0", "0", "True", "True"]
