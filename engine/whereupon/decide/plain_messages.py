"""Most messages: they do nothing but open rules, and most of them open none.

Such a message is recorded, and its rules skip it; it is evaluated only if some of them may be opened. `others` takes
these messages of a batch and leaves the rest, and whatever it is not sure of, to `arrivals`. `passed_over` does the
same for a message that is recorded already.
"""

from collections.abc import Iterable, Iterator, Sequence

from whereupon.decide.batch_state import BatchState
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.evaluator import evaluate
from whereupon.decide.notices import is_ordinary, note_look_alikes
from whereupon.decide.people import anonymous_key_for, only_prolongs
from whereupon.decide.skips import skip_together
from whereupon.matching import Candidate, TriggerMatch
from whereupon.matching.kept_names import keep
from whereupon.messages.model import Message, MessageType, SenderClass, ref_of
from whereupon.records import StoredMessage

_TRACK, _SERVER = MessageType.TRACK, SenderClass.SERVER  # looked up slowly as attributes


def others(
    work: BatchState, messages: Iterable[Message], *, wakes_everybody: bool
) -> Iterator[Message]:
    """Take the plain messages, each in its turn; gives the others, to be taken meanwhile.

    Args:
        messages: the batch, in the order in which the messages arrived.
        wakes_everybody: whether everyone's entries wake that are due by a message's arrival; otherwise those of the
            persons whom the message may change.
    """
    moment, stands, is_due, taken = None, False, False, 0
    work.together = None  # what was passed over before came from another sender
    clocked, entries, timers = work.clocked, work.timers, work.clocked.heap
    for message in messages:
        if message.received_at is not moment:  # one object for most of a batch
            moment = message.received_at
            if (
                clocked.unarmed
                or (entries and entries[0][0] <= moment)
                or (timers and timers[0][0] <= moment)
            ):
                is_due = work.is_due(moment)
                stands = not ((is_due and wakes_everybody) or work.tombstones)
                stands = stands and clocked.passed_to(moment)
            else:  # as mostly; asked here, since calls would cost more
                is_due, stands, clocked.now = False, not work.tombstones, moment
        decided = _take(work, message, is_due) if stands else None
        if decided is None:
            yield message
            moment = None  # the message may have changed what is due
        else:
            taken += 1
            if decided:
                moment = None
    work.out.accepted += taken


def _take(work: BatchState, message: Message, is_due: bool) -> Sequence[Candidate] | None:
    """Take a message if it is plain: a stranger's, or a known person's.

    Returns:
        The rules that were decided one by one, mostly none; None if the message is left.
    """
    type_, name = message.type, message.name
    id_, source = message.message_id, message.source
    match = work.plain[type_].get(name) or plain_match(work, type_, name)
    ref = id_ if source is _SERVER else ref_of(id_, source)
    if match is None or message.depth or message.remarks or ref in work.seen:
        return None
    user_id = message.user_id
    if user_id is None:
        found = _take_waiting(work, message, match)
    else:
        person_key = work.users.get(user_id, 0)
        person = work.persons.get(person_key)
        device = message.anonymous_id
        if (
            person is None
            or (is_due and is_concerned(work, person_key))
            or (device is not None and not only_prolongs(work, message, person_key, device))
        ):
            return None
        found, rules, stored = (), match.rules, work.record_owned(message, person_key)
        if rules.selected:
            if not work.opens_none:
                found = rules.plain_candidates(message, message.properties, person)
            if found:
                own = Evaluation.of(stored, person_key, message.received_at)
                evaluate(work, own, rules, found=found)
            else:
                skip_together(work, stored, person, rules)
    if found is not None:
        work.seen[ref] = message
    return found


def _take_waiting(
    work: BatchState, message: Message, match: TriggerMatch
) -> Sequence[Candidate] | None:
    """Take a message of an anonymous id that nobody has claimed, or that is new."""
    device = message.anonymous_id or ""
    key = work.anonymous.get(device)
    if match.broadcasts.selected or (key is not None and key in work.claims):
        return None
    if key is None:
        note_look_alikes(work, message)
        key = anonymous_key_for(work, device)
    work.anonymous_messages.setdefault(key, []).append(work.record(message, key))
    work.waiting.add(key)
    return ()


def plain_match(work: BatchState, type_: MessageType, name: str) -> TriggerMatch | None:
    """What messages of this type and name do, if they may be plain."""
    known = work.plain[type_]
    try:
        return known[name]
    except KeyError:
        match = work.index.trigger_match(type_, name)
    is_plain = match.is_plain and (type_ is not _TRACK or is_ordinary(work, name))
    return keep(known, name, match if is_plain else None)


def passed_over(work: BatchState, stored: StoredMessage) -> bool:
    """Skip the rules of a message that is recorded already, if that is all that it does; otherwise it is to be evaluated.

    Returns:
        Whether the message is done with.
    """
    message, person = stored.message, work.persons.get(stored.owner)
    match = plain_match(work, message.type, message.name)
    if match is None or message.depth or person is None:
        return False
    if work.is_due(message.received_at) and is_concerned(work, person.key):
        return False
    if match.rules.selected:
        if match.rules.plain_candidates(message, message.properties, person):
            return False
        skip_together(work, stored, person, match.rules)
    return True


def is_concerned(work: BatchState, person_key: int) -> bool:
    """Whether some of what may be due may be a person's."""
    return bool(work.active.get(person_key)) or work.clocked.concern(person_key)
