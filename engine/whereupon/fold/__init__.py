"""The fold: state and messages in, changes and decisions out; no I/O, no clock, no randomness.

    fold(loaded, messages, index, settings) -> Folded

Modules, from below: `given` (what goes in and comes out), `working` (the state of one batch while it is folded), `people` (identify, claim,
merge, erase), `entering` (decide, enter, run steps), `enacting` (semantic events), `folding` (the way
of one message), `sending` (broadcasts). The same input gives the same output on every machine; the caller loads everything
that it may need and writes everything that it made.
"""

from whereupon.fold.folding import fold
from whereupon.fold.given import (
    Folded,
    KeysExhausted,
    Loaded,
    PoisonError,
    Settings,
    Told,
    Warned,
)
from whereupon.fold.sending import audience_of, broadcast_chunk

__all__ = [
    "Folded",
    "KeysExhausted",
    "Loaded",
    "PoisonError",
    "Settings",
    "Told",
    "Warned",
    "audience_of",
    "broadcast_chunk",
    "fold",
]
