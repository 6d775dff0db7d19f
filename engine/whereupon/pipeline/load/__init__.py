"""Load: what a batch touches and may ask about, read from the store in a fixed number of rounds.

Modules, from below: `surveying` (what a batch mentions), `touching` (whom it touches), `claiming` (what it may
claim), `past` (what rules ask about the past), `recall` (the reads of one batch, in their order).
"""

from whereupon.pipeline.load.claiming import TooManyClaimedError
from whereupon.pipeline.load.recall import (
    CLAIM_PART,
    DUE_LIMIT,
    BatchLoader,
    CrowdedError,
    UnfinishedClaimsError,
)
from whereupon.pipeline.load.surveying import apart, erasing, taken_apart

__all__ = [
    "CLAIM_PART",
    "DUE_LIMIT",
    "BatchLoader",
    "CrowdedError",
    "TooManyClaimedError",
    "UnfinishedClaimsError",
    "apart",
    "erasing",
    "taken_apart",
]
