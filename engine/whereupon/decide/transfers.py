"""What a claim brings that was not loaded, since nothing evaluates it: it changes owner in one statement."""

from whereupon.decide.batch_state import BatchState
from whereupon.decide.result import Notice
from whereupon.decide.skips import skipped_together
from whereupon.identity.algebra import covered
from whereupon.messages.model import Message
from whereupon.records import Transfer

TOGETHER = "claimed-together"
"""The code of the notice that says how many messages were skipped without a decision for each."""


def transfer(work: BatchState, message: Message, key: int) -> None:
    """Give the inert messages that wait under an anonymous id to the person whose message claims it.

    Args:
        message: the one that claims; its claim is among `BatchState.claims` already.
    """
    runs, moment = work.claims[key], message.timestamp
    place, run = next((n, run) for n, run in enumerate(runs) if run.since <= moment <= run.until)
    since, until = covered(runs, place, work.settings.identity)
    person, received_at = work.persons[run.person_key], message.received_at
    counts, match = work.partly[key], work.index.trigger_match
    skips = {
        name: skipped_together(work, match(*name).campaigns, person, received_at) for name in counts
    }
    transfers = work.changes.transfers
    is_first = all(each.anonymous_key != key for each in transfers)
    made = Transfer(key, run.person_key, since, until, work.inert, received_at, skips)
    _add(transfers, made)
    if counts and is_first:
        _note_skips(work, message.message_id, sum(counts.values()))


def _note_skips(work: BatchState, message_id: str, count: int) -> None:
    text = (
        f"{count} of the messages that {message_id} claims are too old for every campaign that names "
        "them, or none takes claimed ones: they were skipped together, and explain shows each"
    )
    work.out.emitted.append(Notice(TOGETHER, message_id, text))


def _add(transfers: list[Transfer], new: Transfer) -> None:
    """Add a transfer, as one with the last if only their times differ and meet."""
    last = transfers[-1] if transfers else None
    if last is not None and new == last._replace(since=new.since, until=new.until):
        first, second = sorted([last, new], key=lambda each: each.since)
        if second.since <= first.until:
            new = new._replace(since=first.since, until=max(first.until, second.until))
            transfers.pop()
    transfers.append(new)
