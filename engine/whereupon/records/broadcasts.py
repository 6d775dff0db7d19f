"""Runs of broadcasts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

MISSED = "missed"
"""The reason of a run whose time passed, too long ago to make up for it."""

OVERTAKEN = "overtaken"
"""The reason of a run whose time passed, and instead of which a newer time ran that had passed as well."""


NAMED = "named"
"""The reason of a run that went to the people whom its call named, and not to an audience."""


@dataclass(frozen=True, slots=True)
class BroadcastRun:
    """One sending of a broadcast to its audience, in chunks that survive a restart.

    Attributes:
        occasion: the triggering message (see `ref_of`), or the rule and the scheduled time; unique.
        cursor: the key of the last person that was looked at; None if the audience is done.
        facts: as of an `Entry`.
        admitted: how many persons have entered so far.
        reason: `MISSED` or `OVERTAKEN` if it did not run; `NAMED`; else None.
    """

    rule: str
    digest: str
    occasion: str
    timestamp: datetime
    due_at: datetime
    cursor: int | None
    facts: Mapping[str, JsonValue]
    depth: int = 0
    message_key: int = 0
    admitted: int = 0
    reason: str | None = None
