"""Claims: which persons an anonymous id belonged to and when, and claims that are carried out in chunks."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from pydantic import JsonValue

from whereupon.records.people import NO_STAMPS, NOTHING


class ClaimRun(NamedTuple):
    """A run of claims of one anonymous id by one person, with no other person's claim between.

    Attributes:
        since, until: the timestamps of the first and the last message of the run that carried both ids.
        message_id: the message that opened the run.
    """

    anonymous_key: int
    person_key: int
    since: datetime
    until: datetime
    message_id: str


class ClaimJob(NamedTuple):
    """A claim of many messages that are evaluated in chunks. An anonymous id has one job at a time.

    Attributes:
        message_key: the key of the message that claims; it is evaluated in its turn.
        due_at: when another process goes on with the job, if the one that began it is gone.
        after: the timestamp and key of the last message that was read.
        is_chosen: whether every message was read for the rules that take one message of a claim.
        taken: the key of the message that such a rule takes, by rule id, as far as is known.
        attributes: the person's attributes at the claim, by which a rule takes a message.
        is_put: whether the message that claims was evaluated.
        entered, left: the segments that the person entered and left by it.
        makes_known: whether the message made the person known.
        again: the skips that the claim has closed so far, and that are decided once more when it is carried out:
            the message's key, the rule's id, and whether the message was anonymous (see `OpenSkip`).
    """

    anonymous_key: int
    person_key: int
    message_key: int
    due_at: datetime
    after: tuple[datetime, int]
    is_chosen: bool = True
    taken: Mapping[str, int] = NO_STAMPS
    attributes: Mapping[str, JsonValue] = NOTHING
    is_put: bool = False
    entered: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    makes_known: bool = False
    again: tuple[tuple[int, str, bool], ...] = ()
