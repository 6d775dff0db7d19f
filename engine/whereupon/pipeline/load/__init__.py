"""Load: everything that a batch touches and may ask about, read in a fixed number of rounds with the store.

The package only reads. It decides nothing and writes nothing.

Modules, from below: `batch_keys` (what a batch mentions), `load_plan` (what has to be loaded because of it),
`claim_loader` (what the batch may claim), `due_loader` (what is due), `waiting`, `history` (what rules ask about the past), `guard_facts` (what a
destructive action is judged by), `similar_ids`, `open_runs` (runs on each person's clock), `opening` (whether a single
call may open a rule), `batch_loader` (the reads of one batch, in their order).
"""

from whereupon.pipeline.load.batch_keys import SMALL_BATCH, erases, needs_split, stands_alone
from whereupon.pipeline.load.batch_loader import (
    CLAIM_CHUNK,
    BatchLoader,
    UnfinishedClaimsError,
)
from whereupon.pipeline.load.claim_loader import TooManyClaimedError
from whereupon.pipeline.load.due_loader import DUE_LIMIT, CrowdedError
from whereupon.pipeline.load.open_runs import load_open_runs

__all__ = [
    "CLAIM_CHUNK",
    "DUE_LIMIT",
    "SMALL_BATCH",
    "BatchLoader",
    "CrowdedError",
    "TooManyClaimedError",
    "UnfinishedClaimsError",
    "erases",
    "load_open_runs",
    "needs_split",
    "stands_alone",
]
