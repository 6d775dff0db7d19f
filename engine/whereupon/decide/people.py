"""Persons and their identifiers: made known, changed, claimed, erased.

The functions change the `BatchState` and the changes to write; they decide nothing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from operator import attrgetter, lt
from typing import Final, NamedTuple
from unicodedata import normalize

from pydantic import JsonValue

from whereupon.decide.attribute_limits import MOST_ATTRIBUTES, MOST_CHARACTERS, within_limits
from whereupon.decide.batch_state import BatchState
from whereupon.decide.open_skips import close_skips
from whereupon.decide.result import Notice
from whereupon.decide.skips import discard_skips
from whereupon.decide.transfers import transfer
from whereupon.identity.algebra import Claimants, changed_runs, with_claim
from whereupon.messages.model import Message
from whereupon.messages.times import as_micros, earlier, later
from whereupon.records import (
    NOTHING,
    ClaimJob,
    ClaimRun,
    EndReason,
    EntryEnd,
    Identifier,
    IdKind,
    Person,
    StoredMessage,
)

_KEY: Final = attrgetter("key")
_HAPPENED: Final = attrgetter("message.timestamp")
_new = tuple.__new__  # a named tuple of values that are in its order already

CARRIED_ON_AFTER = timedelta(minutes=1)
"""How long an unfinished claim is left to the process that began it."""


def person_for(work: BatchState, user_id: str, seen_at: datetime) -> Person:
    """The person of that user id; made if there is none."""
    key = work.users.get(user_id)
    if key is not None:
        return work.persons[key]
    person = Person(work.new_key(), user_id, seen_at)
    work.users[user_id] = person.key
    work.belongings.users[person.key].add(user_id)
    work.persons[person.key] = person
    work.changes.identifiers.append(Identifier(IdKind.USER, user_id, person.key))
    work.changes.persons[person.key] = person
    work.out.new_persons += 1
    return person


def look_alike(work: BatchState, kind: IdKind, value: str) -> str | None:
    """Another id, of this batch or loaded for it, that differs from a new id by its spelling only."""
    others = [*work.alike, *work.users] if kind is IdKind.USER else work.anonymous
    spelt = work.ids_by_spelling.get(kind)
    if spelt is None:
        spelt = work.ids_by_spelling[kind] = {}
        for each in others:
            spelt.setdefault(_spelling(each), each)
    other = spelt.setdefault(_spelling(value), value)
    return None if other == value else other


def _spelling(value: str) -> str:
    return value.lower() if value.isascii() else normalize("NFKC", value).casefold()


def anonymous_key_for(work: BatchState, anonymous_id: str) -> int:
    """The key under which the messages of that anonymous id wait."""
    key = work.anonymous.get(anonymous_id)
    if key is None:
        key = work.new_key()
        work.anonymous[anonymous_id] = key
        work.belongings.names[key] = anonymous_id
        work.changes.identifiers.append(Identifier(IdKind.ANONYMOUS, anonymous_id, key))
    return key


def set_attributes(
    work: BatchState,
    person: Person,
    traits: Mapping[str, JsonValue],
    at: datetime,
    message_id: str,
) -> Person:
    """Set attributes of a person. Of two values, the one with the later time wins, whichever arrives first.

    Attributes that exceed the limits (see `attribute_limits`) are not set, and a notice says so.

    Args:
        at: when the values were sent.
    """
    stamp = as_micros(at)
    newer = {
        name: value for name, value in traits.items() if person.stamps.get(name, stamp) <= stamp
    }
    taken = limited(work, person, newer, message_id)
    if not taken:
        return person
    changed = person.changed(
        attributes={**person.attributes, **taken},
        stamps={**person.stamps, **dict.fromkeys(taken, stamp)},
    )
    return save_person(work, changed)


def limited(
    work: BatchState, person: Person, new: Mapping[str, JsonValue], message_id: str
) -> Mapping[str, JsonValue]:
    """The new attributes that a person may have beside the others; emits a notice if that is not all of them."""
    taken = within_limits(person.attributes, new)
    if refused := len(new) - len(taken):
        text = (
            f"{refused} of the attributes in {message_id} were not set: a person has at most "
            f"{MOST_ATTRIBUTES}, with {MOST_CHARACTERS} characters in all"
        )
        work.out.emitted.append(Notice("attributes-full", message_id, text))
    return taken


def save_person(work: BatchState, person: Person) -> Person:
    """Save the new state of a person."""
    work.persons[person.key] = person
    work.changes.persons[person.key] = person
    return person


class ClaimedMessages(NamedTuple):
    """The messages that a claim gives to persons, in the order they happened.

    Attributes:
        messages: each owned by its person.
        again: the keys of those that another person's later claim had before, so that they may have triggered rules.
    """

    messages: Sequence[StoredMessage] = ()
    again: Collection[int] = frozenset()

    @classmethod
    def of_all(cls, claimed: Iterable["ClaimedMessages"]) -> "ClaimedMessages":
        """What several claims give together."""
        every = list(claimed)
        again = frozenset[int]().union(*(each.again for each in every))
        return cls(in_order(chain.from_iterable(each.messages for each in every)), again)


NOTHING_CLAIMED: Final = ClaimedMessages()


def claim(
    work: BatchState, message: Message, person_key: int, anonymous_id: str
) -> ClaimedMessages:
    """Let a person claim an anonymous id at the time of a message that carries both ids.

    Returns:
        The messages that become the person's by it, in the order they happened; none yet if they are left
        to a claim job.
    """
    key = anonymous_key_for(work, anonymous_id)
    before = work.claims.get(key, ())
    if only_prolongs(work, message, person_key, anonymous_id):
        return NOTHING_CLAIMED
    point = ClaimRun(key, person_key, message.timestamp, message.timestamp, message.message_id)
    points = _single_claims(work, before, point, anonymous_id)
    after = with_claim(before, point, work.settings.identity, points)
    if after != before:
        _rewrite_claims(work, key, before, after, message.timestamp)
        if key in work.partly:
            transfer(work, message, key)
    return NOTHING_CLAIMED if work.chunked_id == anonymous_id else claim_messages(work, key)


def only_prolongs(work: BatchState, message: Message, person_key: int, anonymous_id: str) -> bool:
    """Whether a claim brings nothing, and only prolongs the latest run, as those of a logged-in browser do; prolongs it."""
    key = work.anonymous.get(anonymous_id, 0)
    runs = work.claims.get(key)
    if not runs or key in work.waiting:
        return False
    key, owner, since, until, opened_by = runs[-1]
    moment = message.timestamp
    if owner != person_key or moment < since:
        return False
    if moment == since and message.message_id < opened_by:
        return False  # then this message opens the run
    if moment > until:
        if moment - until > work.settings.identity.retention:
            return False
        run = _new(ClaimRun, (key, person_key, since, moment, opened_by))
        work.claims[key] = (run,) if len(runs) == 1 else (*runs[:-1], run)
        work.changes.claims[key, since] = run
    return True


def _single_claims(
    work: BatchState, runs: tuple[ClaimRun, ...], claim: ClaimRun, anonymous_id: str
) -> Sequence[ClaimRun]:
    """The single claims inside the run of another person that a claim falls into; none if it falls into none."""
    around = next((run for run in runs if run.since <= claim.since <= run.until), None)
    if around is None or around.person_key == claim.person_key:
        return ()
    return work.single_claims_of(claim.anonymous_key, anonymous_id)


def _rewrite_claims(
    work: BatchState,
    key: int,
    before: tuple[ClaimRun, ...],
    after: tuple[ClaimRun, ...],
    instant: datetime,
) -> None:
    work.claims[key] = after
    old, new = changed_runs(before, after, instant)
    there = {run.since: run for run in old}
    for run in new:
        work.belongings.devices[run.person_key].add(key)
        if there.pop(run.since, None) != run:
            work.changes.claims[key, run.since] = run
            work.changes.dropped_claims.discard((key, run.since))
    for since in there:
        work.changes.claims.pop((key, since), None)
        work.changes.dropped_claims.add((key, since))


def claim_messages(work: BatchState, key: int) -> ClaimedMessages:
    """Give the loaded messages of an anonymous id to the persons whose claims cover them."""
    messages = work.anonymous_messages.get(key, [])
    instants = [stored.message.timestamp for stored in messages]
    claimants = Claimants(work.claims.get(key, ()), work.settings.identity)
    given_up, claimed = _handed_over(messages, claimants.of_each(instants))
    waits = len(claimed) < len(messages) and any(stored.owner == key for stored in messages)
    if key not in work.partly and not waits:
        work.waiting.discard(key)
    work.assign(claimed)
    _change_past(work, given_up, claimed, key)
    again = frozenset([stored.key for stored in given_up if stored.owner != key])
    if again:
        taken_back = [stored for stored in claimed if stored.key in again]
        discard_skips(work, taken_back)
        close_skips(work, taken_back)
    if not all(map(lt, instants, instants[1:])):
        claimed = in_order(claimed)
    return ClaimedMessages(claimed, again)


def _handed_over(
    messages: list[StoredMessage], covering: Iterable[ClaimRun | None]
) -> tuple[list[StoredMessage], list[StoredMessage]]:
    """Give messages, in place, to the persons of the runs that cover them; none covers some.

    Returns:
        The messages whose owner changes, as their former owners had them and as they are now.
    """
    given_up: list[StoredMessage] = []
    claimed: list[StoredMessage] = []
    last, person_key = None, 0
    for place, run in enumerate(covering):
        if run is None:
            continue
        if run is not last:
            last, person_key = run, run.person_key
        stored = messages[place]
        if stored.owner != person_key:
            owned = StoredMessage(stored.key, person_key, stored.message)
            messages[place] = owned
            given_up.append(stored)
            claimed.append(owned)
    return given_up, claimed


def _change_past(
    work: BatchState, given_up: Iterable[StoredMessage], claimed: Iterable[StoredMessage], key: int
) -> None:
    """Note in what is known of the past that messages of an anonymous id are persons' now.

    Args:
        given_up: the messages as their former owners had them.
        claimed: the same messages, owned by the persons.
    """
    if not work.history and not work.timed_past.breaking:
        return
    for stored, owned in zip(given_up, claimed, strict=True):
        work.remove_from_history(stored)
        if stored.owner != key:
            work.timed_past.lose(stored)
        work.timed_past.hear(owned, owned.owner)


def begin_job(  # noqa: PLR0913 - all that a job notes
    work: BatchState,
    message: Message,
    anonymous_id: str,
    stored: StoredMessage,
    entered: Collection[str],
    left: Collection[str],
    *,
    makes_known: bool = False,
    again: Sequence[tuple[int, str, bool]] = (),
) -> None:
    """Leave to later transactions what a message claims, and with it what the message leads to itself.

    Args:
        anonymous_id: what it claims.
        stored: the message as it is recorded, the person's.
        entered, left: the segments that the person entered and left by it.
        makes_known: whether it made the person known, and some rule asks for that.
        again: see `ClaimJob`.
    """
    key = work.anonymous[anonymous_id]
    takes_one = work.index.takes_one
    work.changes.claim_jobs[key] = ClaimJob(
        anonymous_key=key,
        person_key=stored.owner,
        message_key=stored.key,
        due_at=later(message.received_at, CARRIED_ON_AFTER),
        after=(earlier(message.timestamp, work.settings.identity.retention), 0),
        is_chosen=not takes_one,
        attributes=work.persons[stored.owner].attributes if takes_one else NOTHING,
        entered=tuple(sorted(entered)),
        left=tuple(sorted(left)),
        makes_known=makes_known,
        again=tuple(again),
    )


def in_order(claimed: Iterable[StoredMessage]) -> list[StoredMessage]:
    """Claimed messages in the order they happened; at one instant, in the order they arrived."""
    return sorted(sorted(claimed, key=_KEY), key=_HAPPENED)


def erase_person(work: BatchState, person: Person, at: datetime) -> None:
    """Erase a person: what is stored when the batch is written, what this batch made at once."""
    key = person.key
    for entry in work.active.pop(key, {}).values():
        work.emit_end(entry.finished(EntryEnd(EndReason.DELETED, at)))
    work.persons.pop(key, None)
    for user_id in work.belongings.users.pop(key, ()):
        work.users.pop(user_id, None)
    _erase_devices(work, key)
    work.erase(key)


def _erase_devices(work: BatchState, key: int) -> None:
    """Remove the person from the claims; an anonymous id that no other person claimed is erased as well."""
    has = work.belongings
    for anonymous_key in has.devices.pop(key, ()):
        runs = work.claims.get(anonymous_key, ())
        others = tuple(run for run in runs if run.person_key != key)
        if others == runs:
            continue
        work.claims[anonymous_key] = others
        messages = work.anonymous_messages.get(anonymous_key, [])
        messages[:] = [stored for stored in messages if others and stored.owner != key]
        if not others:
            work.anonymous.pop(has.names.pop(anonymous_key, ""), None)
            work.erase(anonymous_key)
