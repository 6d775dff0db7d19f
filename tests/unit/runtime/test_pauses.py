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
    enabled = gc.isenabled()
    engine.track("Order Completed", user_id="ada")
    gc.collect()
    runs = gc.get_stats()[0]["collections"]
    engine.ingest({"type": "identify", "userId": f"user-{n}"} for n in range(500))
    print(before > 0, kept, tracked(), enabled, gc.get_stats()[0]["collections"] - runs)
"""


def test_a_full_collection_leaves_the_rules_out() -> None:
    """As `whereupon run` and `whereupon serve` open them; the collector goes on, and not amid a batch."""
    done = subprocess.run(
        [sys.executable, "-c", _SERVES], check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == ["True", "0", "0", "True", "0"]
