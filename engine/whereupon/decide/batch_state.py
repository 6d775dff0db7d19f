"""The state of one batch while it is folded: what was loaded, and what was made since."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import heapify, heappush

from pydantic import JsonValue

from whereupon.conditions import NO_HISTORY, Performed
from whereupon.decide.erasure import drop_erased
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.reentry import with_current_slot
from whereupon.decide.snapshot import BatchResult, Ended, KeysExhausted, Settings, Snapshot
from whereupon.identity.algebra import claimed_by
from whereupon.matching import RuleIndex
from whereupon.messages.model import Message, MessageType, body_data, id_in_ref
from whereupon.messages.times import earlier
from whereupon.records import (
    ClaimRun,
    Device,
    Entry,
    EntryState,
    Identifier,
    IdKind,
    PastEntries,
    PastEntry,
    PastEvent,
    Relationship,
    SkipSummary,
    StoredMessage,
    Tombstone,
    Twin,
    stub_of,
)
from whereupon.rules.model import NotWhileActive, Rule


@dataclass(slots=True)
class Past:
    """One event of a person's history; its properties are decoded when they are first asked for."""

    timestamp: datetime
    text: bytes
    _data: Mapping[str, JsonValue] | None = None

    @property
    def data(self) -> Mapping[str, JsonValue]:
        """The event's properties."""
        if self._data is None:
            self._data = body_data(MessageType.TRACK, self.text)
        return self._data


class Belongings:
    """Who has which ids, as far as it is known; kept beside what says whose an id is.

    Attributes:
        users: the user ids of persons, by their keys.
        devices: the keys of anonymous ids that persons claim, or did before somebody else's claim.
        names: the anonymous ids, by their keys.
    """

    __slots__ = ("devices", "names", "users")

    def __init__(self, loaded: Snapshot) -> None:
        self.users: dict[int, set[str]] = defaultdict(set)
        self.devices: dict[int, set[int]] = defaultdict(set)
        self.names: dict[int, str] = {key: name for name, key in loaded.anonymous.items()}
        for user_id, key in loaded.users.items():
            self.users[key].add(user_id)
        for known in loaded.identifiers_of:
            if known.kind is IdKind.USER:
                self.users[known.key].add(known.value)
            else:
                self.names[known.key] = known.value
        for anonymous_key, runs in loaded.claims.items():
            for run in runs:
                self.devices[run.person_key].add(anonymous_key)

    def move(self, loser: int, survivor: int) -> None:
        """Give what one person has to another."""
        self.users[survivor] |= self.users.pop(loser, set())
        self.devices[survivor] |= self.devices.pop(loser, set())


class BatchState:
    """One batch's state. Lookups see what the batch itself has made.

    Not thread-safe, and used once.

    Attributes:
        waiting: keys of the anonymous ids that have messages waiting to be claimed.
        ordinary: event names that were found to be neither semantic nor nearly so.
        spelt: by kind, ids by their spelling, once a new one is met (see `people.look_alike`).
        take: the way of one message through the fold, for messages that steps send.
        words: by a roll's revision, what was said last of all its rules, and of what (see `skipping`).
        timers: running entries that may be run, by due time, as a heap; an entry that moved on may stand there twice.
    """

    def __init__(self, loaded: Snapshot, index: RuleIndex, settings: Settings) -> None:
        self.index = index
        self.settings = settings
        self.out = BatchResult()
        self.changes = self.out.changes
        self.seen: dict[str, Twin | Message | None] = {
            ref: loaded.twins.get(ref) for ref in loaded.known
        }
        self.alike = loaded.alike
        self.spelt: dict[IdKind, dict[str, str]] = {}
        self.users = dict(loaded.users)
        self.anonymous = dict(loaded.anonymous)
        self.persons = dict(loaded.persons)
        self.claims = dict(loaded.claims)
        self.anonymous_messages: dict[int, list[StoredMessage]] = defaultdict(list)
        for key, messages in loaded.anonymous_messages.items():
            self.anonymous_messages[key] = list(messages)
        self.waiting = {
            key
            for key, messages in self.anonymous_messages.items()
            if any(stored.owner == key for stored in messages)
        }
        self.inert = loaded.inert
        self.partly = dict(loaded.partly)
        self.waiting |= self.partly.keys()
        self.chunked_id = loaded.chunked_id
        self._points = loaded.points
        self._runs_before = loaded.claims
        self.tombstones: dict[bytes, dict[bytes, Tombstone]] = defaultdict(dict)
        for tombstone in loaded.tombstones:
            self.tombstones[tombstone.digest][tombstone.of] = tombstone
        self.guards = loaded.guards
        self.spent = dict(loaded.guards.spent)
        self.breakers = dict(loaded.guards.breakers)
        self.has_tombstones = loaded.has_tombstones
        self.belongings = Belongings(loaded)
        self.rule_versions = loaded.rule_versions
        self.given_up = loaded.given_up
        self.history: dict[tuple[int, str], list[Past]] = defaultdict(list)
        for event in loaded.history:
            self.history[event.owner, event.name].append(_past(event))
        self.past_entries: dict[tuple[str, int], PastEntries] = defaultdict(PastEntries)
        for past in loaded.past_entries:
            self.past_entries[past.rule, past.person_key].append(with_current_slot(past))
        self._entries_before = loaded.active
        self.active: dict[int, dict[int, Entry]] = defaultdict(dict)
        for entry in loaded.active:
            self.active[entry.person_key][entry.key] = entry
            rule = index.by_id.get(entry.rule)
            if rule is not None and isinstance(rule.reentry, NotWhileActive):
                self.past_entries[entry.rule, entry.person_key].append(as_past_entry(entry))
        self.timers: list[tuple[datetime, int, int]] = [
            (entry.due_at, entry.key, entry.person_key)
            for entry in loaded.active
            if entry.due_at is not None and self.may_run(entry)
        ]
        heapify(self.timers)
        self.versions_used: set[str] = set()
        self.take_message: Callable[[Message], None] = _nobody_takes
        self.ordinary_events: set[str] = set()
        self.summaries: dict[str, tuple[object, tuple[SkipSummary, ...]]] = {}
        self.moved: dict[int, int] = {}
        self._forgotten: set[int] = set()
        self._recorded: dict[int, int] = {}
        self._dropped: set[str] = set()
        self._keys = iter(range(loaded.first_key, loaded.first_key + loaded.keys))

    def new_key(self) -> int:
        """The next of the keys reserved for this batch; raises `KeysExhausted`."""
        key = next(self._keys, None)
        if key is None:
            raise KeysExhausted
        return key

    def save_entry(self, entry: Entry) -> None:
        """Take the new state of an entry into the state of the batch, and among the changes."""
        self.changes.entries[entry.key] = entry
        if entry.state is EntryState.ACTIVE:
            self.active[entry.person_key][entry.key] = entry
            if entry.due_at is not None and self.may_run(entry):
                heappush(self.timers, (entry.due_at, entry.key, entry.person_key))
            return
        self.emit_end(entry)
        self.active.get(entry.person_key, {}).pop(entry.key, None)
        place = (entry.rule, entry.person_key)
        if earlier_ones := self.past_entries.get(place):
            earlier_ones.end(entry.occasion, entry.slot)

    def emit_end(self, entry: Entry) -> None:
        """Tell of an entry that ended before its last step was done."""
        if entry.ended is None or entry.state is EntryState.COMPLETED:
            return
        person = self.persons.get(entry.person_key)
        name = person.user_id if person is not None else ""
        place = (entry.rule, name, id_in_ref(entry.occasion), entry.entered_at)
        self.out.emitted.append(Ended(*place, entry.state, entry.ended))

    # --- messages ---------------------------------------------------------------------------

    def record(self, message: Message, owner: int) -> StoredMessage:
        """Put a message among those to write, under its owner."""
        stored = StoredMessage(self.new_key(), owner, message)
        if message.user_id is None:  # it may be given to somebody else
            self._recorded[stored.key] = len(self.changes.messages)
        self.changes.messages.append(stored)
        return stored

    def strip_to_stub(self, stored: StoredMessage) -> None:
        """Keep of a message of this batch that it came, and not what it said."""
        bare = stored.message._replace(target_id=None, body=b"")
        for place in reversed(range(len(self.changes.messages))):
            if self.changes.messages[place].key == stored.key:
                self.changes.messages[place] = stored._replace(message=bare)
                return

    def record_stub(self, message: Message) -> int:
        """Remember only that this message id was seen: nobody's, without a body; gives its key."""
        key = self.new_key()
        self.changes.messages.append(StoredMessage(key, 0, stub_of(message)))
        return key

    def give(self, stored: StoredMessage, owner: int) -> None:
        """Make a recorded message somebody's."""
        place = self._recorded.get(stored.key)
        if place is None:
            self.changes.owners.append((stored.key, owner))
            return
        self.changes.messages[place] = stored._replace(owner=owner)

    def identifiers_of(self, key: int) -> list[Identifier]:
        """Every id that a person is known by: user ids, and anonymous ids that they claimed."""
        has = self.belongings
        known = [Identifier(IdKind.USER, value, key) for value in has.users.get(key, ())]
        claimed = (
            Identifier(IdKind.ANONYMOUS, has.names[anonymous_key], anonymous_key)
            for anonymous_key in has.devices.get(key, ())
            if anonymous_key in has.names
            and any(run.person_key == key for run in self.claims.get(anonymous_key, ()))
        )
        return [*known, *claimed]

    def device(self, token: str) -> Device | None:
        """The device of that token, of those that the batch may delete."""
        if token in self.changes.devices:
            return self.changes.devices[token]
        return self.guards.devices.get(token)

    def has_object(self, place: tuple[str, str]) -> bool:
        """Whether there is an object of that type and id, of those that the batch may delete."""
        if place in self.changes.objects:
            return self.changes.objects[place] is not None
        return place in self.guards.objects

    def has_relationship(self, tie: Relationship) -> bool:
        """Whether there is that tie, of those that the batch may delete."""
        return self.changes.relationships.get(tie, tie in self.guards.relationships)

    def drop_stub(self, ref: str) -> None:
        """Keep but a digest of a message's id, as if its stub had been stored before it is erased."""
        if any(stored.ref == ref for stored in self.changes.messages):
            self._dropped.add(ref)
            self.changes.erased_ids.append(ref)

    def discard_skips(self, messages: Iterable[StoredMessage]) -> None:
        """Take back what messages were skipped for that turn out to be somebody else's.

        It would be said of them, with what was known of another. What a broadcast made of one as it came
        in is about nobody, and stays.
        """
        discarded_skips = {
            stored.key: frozenset(
                rule.id for rule in self.index.trigger_match(stored.type, stored.name).broadcasts
            )
            for stored in messages
        }
        self.changes.discarded_skips |= discarded_skips
        left = (
            skips.without_person(discarded_skips[skips.message_key])
            if skips.message_key in discarded_skips
            else skips
            for skips in self.changes.skips
        )
        self.changes.skips = [skips for skips in left if skips is not None]

    # --- erasing --------------------------------------------------------------------------------

    def forget(self, key: int) -> None:
        """Erase a person at the flush, and take back what this batch made of theirs."""
        self._forgotten.add(key)
        self.changes.erased_persons.append(key)

    def close(self) -> BatchResult:
        """The outcome, without what was made of those erased, and in the names of the merged."""
        self.take_message = (
            _nobody_takes  # else the batch holds on to itself, until the collector comes
        )
        gone, changes = self._forgotten, self.changes
        for digest in self.versions_used:
            rule = self.index.by_digest.get(digest)
            if rule is None:  # an older version, which is kept already
                continue
            changes.rule_versions[digest] = (rule.id, self.index.version_text(rule))
        changes.before = {e.key: e for e in self._entries_before if e.key in changes.entries}
        for loser in self.moved:
            changes.persons.pop(loser, None)
        if self._dropped:
            kept = [m for m in changes.messages if m.ref not in self._dropped]
            changes.messages = kept
        if gone or self.moved:
            drop_erased(changes, gone, self.moved)
        out, self.out = (
            self.out,
            BatchResult(),
        )  # what is told holds on to this, for the past it knows
        self.changes = self.out.changes
        return out

    # --- history ------------------------------------------------------------------------------

    def add_to_history(self, owner: int, evaluation: Evaluation) -> None:
        """Add an event to the history that `performed` conditions count, if a rule asks for its name."""
        name = evaluation.name
        if name in self.index.counted_names and evaluation.type is MessageType.TRACK:
            self.history[owner, name].append(Past(evaluation.timestamp, evaluation.text))

    def remove_from_history(self, stored: StoredMessage) -> None:
        """Take an event that turns out to be somebody else's out of its former owner's history."""
        events = self.history.get((stored.owner, stored.name), [])
        if not any(event.timestamp == stored.timestamp for event in events):
            return
        data = stored.message.data
        for event in events:
            if event.timestamp == stored.timestamp and event.data == data:
                events.remove(event)
                return

    def points_of(self, anonymous_key: int, anonymous_id: str) -> list[ClaimRun]:
        """The single claims of an anonymous id, as far as they were loaded or came in this batch.

        Of the runs that were there before, the ends are among them, without a message id.
        """
        runs = self._runs_before.get(anonymous_key, ())
        ends = [run._replace(since=run.until, message_id="") for run in runs]
        here = [
            ClaimRun(anonymous_key, said.owner, said.timestamp, said.timestamp, said.message_id)
            for said in self.changes.messages
            if anonymous_id in claimed_by(said)
        ]
        known = (*self._points.get(anonymous_key, ()), *here, *runs, *ends)
        return [point._replace(person_key=self.survivor_of(point.person_key)) for point in known]

    def survivor_of(self, key: int) -> int:
        """Who a person is after this batch's merges."""
        while key in self.moved:
            key = self.moved[key]
        return key

    def entries_in(self, rule: Rule, person_key: int) -> Sequence[PastEntry]:
        """The person's entries in this rule, this batch's included."""
        return self.past_entries.get((rule.id, person_key), ())

    def may_run(self, entry: Entry) -> bool:
        """Whether its steps may be run here: the rulebook has the rule, and has not switched it off.

        What ends it ends it anywhere.
        """
        rule = self.index.by_id.get(entry.rule)
        return rule is not None and rule.active.on and self.rule_of(entry) is not None

    def rule_of(self, entry: Entry) -> Rule | None:
        """The rule as it was when the person entered; None when that cannot be read."""
        return self.index.by_digest.get(entry.digest) or self.rule_versions.get(entry.digest)


def _nobody_takes(message: Message) -> None:
    raise NotImplementedError(message.message_id)


class HistoryUntil:
    """A person's history as conditions may ask for it: up to one instant, by the messages' times."""

    __slots__ = ("_owner", "_until", "_working")

    def __init__(self, working: BatchState, owner: int, until: datetime) -> None:
        self._working = working
        self._owner = owner
        self._until = until

    def count(self, performed: Performed) -> int:
        """How many past events are meant, the present one included."""
        events = self._working.history.get((self._owner, performed.event), ())
        return sum(1 for event in events if self._is_meant(event, performed))

    def _is_meant(self, event: Past, performed: Performed) -> bool:
        if event.timestamp > self._until:
            return False
        if performed.within is not None and event.timestamp <= earlier(
            self._until, performed.within
        ):
            return False
        if performed.where is None:
            return True
        return performed.where.holds(
            {"event": performed.event, "properties": dict(event.data)}, NO_HISTORY
        )


def as_past_entry(entry: Entry) -> PastEntry:
    """A running entry, as deciding about another sees it."""
    place = (entry.rule, entry.person_key, entry.timestamp)
    return with_current_slot(PastEntry(*place, entry.slot, active=True, occasion=entry.occasion))


def _past(event: PastEvent) -> Past:
    return Past(event.timestamp, event.body)
