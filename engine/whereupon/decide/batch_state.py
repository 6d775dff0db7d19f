"""The state of one batch while it is decided: what was loaded, and what was made since."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from heapq import heapify, heappush
from itertools import chain
from typing import TypeAlias

from whereupon.decide.belongings import Belongings
from whereupon.decide.caps import BatchSends, waits_for_place
from whereupon.decide.decision_list import SkippedTogether
from whereupon.decide.engine_settings import Settings
from whereupon.decide.erasure import Owners, drop_erased
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.history import HistoryEvent, events_of
from whereupon.decide.idempotency import delivering_addresses, keys_at
from whereupon.decide.reentry import as_past_entry, with_current_slot
from whereupon.decide.result import NO_MORE_KEYS, BatchResult, Ended
from whereupon.decide.snapshot import Snapshot
from whereupon.decide.timed_past import TimedPast
from whereupon.decide.timers import Timers
from whereupon.identity.algebra import claimed_by
from whereupon.matching import RuleIndex, RuleSelection
from whereupon.messages.model import Message, MessageType, id_in_ref
from whereupon.records import (
    EXITS,
    INSIDE,
    WITHDRAWN,
    ClaimRun,
    Delivery,
    Entry,
    EntryState,
    Identifier,
    IdKind,
    MessageName,
    PastEntries,
    PastEntry,
    SkippedList,
    SkipSummary,
    StoredMessage,
    Twin,
    stub_of,
)
from whereupon.rules.model import NotWhileActive, Rule

_ACTIVE, _COMPLETED = EntryState.ACTIVE, EntryState.COMPLETED  # looked up slowly as attributes
_TRACK, _new = MessageType.TRACK, tuple.__new__  # the latter of values in their order already
ClaimedRules: TypeAlias = dict[MessageName, RuleSelection | None]
ClaimedSummaries: TypeAlias = dict[datetime, dict[RuleSelection, tuple[SkipSummary, ...]]]


class BatchState:
    """The state of one batch. Lookups see what the batch itself has made.

    Not thread-safe, and used once.

    Attributes:
        paused: ids of the rules that operators have paused.
        waiting: keys of the anonymous ids that have messages waiting to be claimed.
        ordinary_events: names of events that are neither semantic nor nearly so.
        plain: by type and name, what the messages do if they may be plain (see `plain_messages`), else None.
        claimed_rules: likewise, the rules of claimed messages (see `claimed_messages`).
        ids_by_spelling: by kind; filled when a new id is met (see `people.look_alike`).
        take_message: takes a message that a step sends.
        skipped_whole: by the rules that messages skipped whole as they arrived, what the messages say.
        summaries: of all rules of a list, by what they say (see `skips`).
        keys, new_key: the keys reserved for this batch that are left, and what gives the next, or raises `KeysExhausted`.
        own_keys: the keys reserved for this batch; what has one of them is new.
        together: the last messages that skip together, to which more may be added.
        clocked: timers of persons: what time alone may change for them.
        timed_past: what is known of the past that triggers by time depend on.
        timers: running entries that may run, by due time, as a heap; an entry that moved on may stand twice.
        ended: entries that are over, and may hear of a late message or reach their rule's goal, by person and key.
        open_skips: by person, then by message and rule, the skips that a change may decide once more.
        again: what is to be decided once more, each by which rule (see `grace`).
        ahead: by person and name, the events of a claim that are not applied yet (see `evidence`).
        moved: by the key of a person who was merged, the survivor's.
    """

    take_message: Callable[[Message], None]

    __slots__ = (
        "_deliveries", "_dropped", "_entries_before", "_erased", "_recorded",
        "_runs_before", "_single_claims", "active", "again", "ahead", "alike", "anonymous",
        "anonymous_messages", "belongings", "breakers", "changes", "chunked_id", "claimed_rules",
        "claimed_summaries", "claims", "clocked", "ended", "given_up", "guards", "has_tombstones",
        "history", "ids_by_spelling", "index", "inert", "keys", "moved", "new_key", "open_runs",
        "open_skips", "opens_none", "ordinary_events", "out", "own_keys", "partly", "past_entries", "paused", "persons",
        "plain", "rule_versions", "seen", "sends", "settings", "skipped_whole", "spent", "summaries",
        "take_message", "timed_past", "timers", "together", "tombstones", "users", "waiting",
    )  # fmt: skip

    def __init__(self, loaded: Snapshot, index: RuleIndex, settings: Settings) -> None:
        self.index, self.settings, self.out = index, settings, BatchResult()
        self.changes, self.plain = self.out.changes, index.plain_names(settings.registry)
        self.own_keys = range(loaded.first_key, loaded.first_key + loaded.keys)
        self.keys = keys = chain(self.own_keys, NO_MORE_KEYS)
        self.new_key, self.take_message = keys.__next__, _refuse
        self.clocked = Timers(loaded.timers, self.changes, index.timed.order, opens=loaded.opens)
        self.timed_past = TimedPast(loaded, index, self.clocked, self.own_keys)
        self.seen: dict[str, Twin | Message | None] = {}
        if loaded.known:
            self.seen |= {ref: loaded.twins.get(ref) for ref in loaded.known}
        self.alike, self.inert = loaded.alike, loaded.inert
        self.ids_by_spelling: dict[IdKind, dict[str, str]] = {}
        self.users, self.anonymous = {**loaded.users}, {**loaded.anonymous}
        self.persons = {**loaded.persons} if loaded.persons else {}
        self.claims = {**loaded.claims} if loaded.claims else {}
        self.partly = {**loaded.partly} if loaded.partly else {}
        self.waiting, self.chunked_id = {*self.partly}, loaded.chunked_id
        self.claimed_rules: ClaimedRules = {}
        self.anonymous_messages: dict[int, list[StoredMessage]] = {}
        self._single_claims, self._runs_before = loaded.single_claims, loaded.claims
        self.tombstones = loaded.tombstones_by_digest() if loaded.tombstones else {}
        self._deliveries, self.guards = loaded.deliveries, loaded.guards
        self.spent, self.breakers = {**loaded.guards.spent}, {**loaded.guards.breakers}
        self.has_tombstones, self.open_runs = loaded.has_tombstones, loaded.open_runs
        self.belongings, self.sends = Belongings(loaded), BatchSends(loaded.sends)
        self.rule_versions, self.paused = loaded.rule_versions, loaded.paused
        self.given_up, self.opens_none = loaded.given_up, loaded.opens_none
        self.history = events_of(loaded.history) if loaded.history else {}
        self.ahead = events_of(loaded.ahead) if loaded.ahead else {}
        self.again: list[tuple[Evaluation, Rule]] = []
        self.open_skips = loaded.opened() if loaded.open_skips else {}
        self.past_entries: dict[tuple[str, int], PastEntries] = defaultdict(PastEntries)
        for past in loaded.past_entries:
            self.past_entries[past.rule, past.person_key].append(with_current_slot(past))
        self.timers: list[tuple[datetime, int, int]] = []
        self._entries_before = (loaded.active, loaded.ended)
        self.active: dict[int, dict[int, Entry]] = {}
        self.ended: dict[int, dict[int, Entry]] = {}
        if loaded.active or loaded.ended or loaded.anonymous_messages:
            self._add_loaded(loaded)
        self.ordinary_events: set[str] = set()
        self.together: SkippedTogether | None = None
        self.skipped_whole: dict[RuleSelection, SkippedList] = {}
        self.summaries: dict[object, tuple[SkipSummary, ...]] = {}
        self.claimed_summaries: ClaimedSummaries = {}
        self.moved: dict[int, int] = {}
        self._recorded: dict[int, int] = {}
        self._erased: set[int] = set()
        self._dropped: set[str] = set()

    def _add_loaded(self, loaded: Snapshot) -> None:
        for key, messages in loaded.anonymous_messages.items():
            self.anonymous_messages[key] = list(messages)
            if any(stored.owner == key for stored in messages):
                self.waiting.add(key)
        for entry in loaded.ended:
            self.ended.setdefault(entry.person_key, {})[entry.key] = entry
        for entry in loaded.active:
            self.active.setdefault(entry.person_key, {})[entry.key] = entry
            rule = self.index.by_id.get(entry.rule)
            if rule is not None and isinstance(rule.reentry, NotWhileActive):
                self.past_entries[entry.rule, entry.person_key].append(as_past_entry(entry))
            if entry.due_at is not None and self.may_run(entry):
                self.timers.append((entry.due_at, entry.key, entry.person_key))
        heapify(self.timers)

    def is_due(self, until: datetime) -> bool:
        """Whether an entry or a timer may be due by an instant."""
        timers = self.timers
        return True if timers and timers[0][0] <= until else self.clocked.may_ring(until)

    def save_entry(self, entry: Entry) -> None:
        """Save the new state of an entry."""
        key, person_key, state = entry.key, entry.person_key, entry.state
        self.changes.entries[key] = entry
        if state is _ACTIVE or state in INSIDE:
            self.clocked.touch_inside(entry, self.index.timed)
            self.active.setdefault(person_key, {})[key] = entry
            if entry.due_at is not None and self.may_run(entry):
                heappush(self.timers, (entry.due_at, key, person_key))
            return
        inside = self.active.get(person_key)
        was = inside.pop(key, None) if inside else None
        if was is not None:
            self._withdraw(was, entry)
        if state is not _COMPLETED:
            self.emit_end(entry)
        if entry.trail or entry.watched_until is not None:
            self.ended.setdefault(person_key, {})[key] = entry
        earlier_ones = self.past_entries.get((entry.rule, person_key))
        if earlier_ones is not None:
            earlier_ones.end(entry.occasion, entry.slot)

    def save_ended(self, entry: Entry) -> None:
        """Save an entry that ended before, or that was held out; it may still be watched for its rule's goal."""
        self.changes.entries[entry.key] = entry
        self.ended.setdefault(entry.person_key, {})[entry.key] = entry

    def _withdraw(self, was: Entry, entry: Entry) -> None:
        """Withdraw what an ended entry made and is not sent, if it exits, or was paused: nobody would resume it."""
        person = self.persons.get(entry.person_key)
        if entry.ended is None or person is None:
            return
        is_paused = was.state is EntryState.PAUSED
        if not is_paused and entry.ended.reason not in EXITS:
            return
        reason = WITHDRAWN if is_paused else f"{WITHDRAWN}: {entry.ended.reason}"
        if made := delivering_addresses(self.rule_of(was), was.address):
            keys = keys_at(was, person.user_id, made)
            self.withdraw(person.key, dict.fromkeys(keys, reason), entry.ended.at)

    def withdraw(self, person_key: int, reasons: Mapping[str, str], at: datetime) -> None:
        """Withdraw deliveries of a person, given by their idempotency keys; sends that wait for their places look again.

        Args:
            reasons: why each is withdrawn.
            at: when.
        """
        for key, reason in reasons.items():
            self.changes.withdrawn.setdefault(key, reason)
        if not self.sends.gives_back(person_key, reasons):
            return
        for entry in list(self.active.get(person_key, {}).values()):
            if waits_for_place(entry, at):
                self.save_entry(entry.changed(due_at=at))

    def emit_end(self, entry: Entry) -> None:
        """Emit that an entry ended before its last step was done."""
        if entry.ended is None or entry.state is _COMPLETED:
            return
        person = self.persons.get(entry.person_key)
        name = person.user_id if person is not None else ""
        place = (entry.rule, name, id_in_ref(entry.occasion), entry.entered_at)
        self.out.emitted.append(Ended(*place, entry.state, entry.ended))

    def call_made(self, idempotency_key: str) -> Delivery | None:
        """The call of that key, among those of entries that wait for one and are due."""
        return self._deliveries.get(idempotency_key)

    def delivery(self, idempotency_key: str) -> Delivery | None:
        """The delivery of that key, among those that the batch reports about or has made."""
        made = (each for each in self.changes.deliveries if each.idempotency_key == idempotency_key)
        return self._deliveries.get(idempotency_key) or next(made, None)

    # --- messages ---------------------------------------------------------------------------

    def record(self, message: Message, owner: int) -> StoredMessage:
        """Record a message under its owner."""
        place = len(self.changes.messages)
        stored = self.record_owned(message, owner)
        if message.user_id is None:  # its owner may change
            self._recorded[stored.key] = place
        return stored

    def record_owned(self, message: Message, owner: int) -> StoredMessage:
        """Record a message with a user id, so that its owner stays."""
        stored = StoredMessage(next(self.keys), owner, message)  # half the cost of `new_key`
        self.changes.messages.append(stored)
        if self.timed_past.breaking and owner in self.persons:  # an anonymous id has no silence
            self.timed_past.hear(stored, owner)
        return stored

    def strip_to_stub(self, stored: StoredMessage) -> None:
        """Record of a message of this batch only that it came."""
        bare = stored.message.changed(target_id=None, body=b"", properties=None)
        for place in reversed(range(len(self.changes.messages))):
            if self.changes.messages[place].key == stored.key:
                self.changes.messages[place] = stored.changed(message=bare)
                return

    def record_stub(self, message: Message) -> int:
        """Record only that a message id was seen, without an owner and a body; gives the record's key."""
        key = self.new_key()
        self.changes.messages.append(StoredMessage(key, 0, stub_of(message)))
        return key

    def assign(self, owned: Sequence[StoredMessage]) -> None:
        """Give recorded messages to their new owners."""
        for each in owned:
            if (place := self._recorded.get(each.key)) is None:
                self.changes.owners.append((each.key, each.owner))
            else:
                self.changes.messages[place] = each

    def identifiers_of(self, key: int) -> list[Identifier]:
        """Every id of a person: user ids, and anonymous ids that the person claimed."""
        has = self.belongings
        known = [Identifier(IdKind.USER, value, key) for value in has.users.get(key, ())]
        claimed = (
            Identifier(IdKind.ANONYMOUS, has.names[anonymous_key], anonymous_key)
            for anonymous_key in has.devices.get(key, ())
            if anonymous_key in has.names
            and any(run.person_key == key for run in self.claims.get(anonymous_key, ()))
        )
        return [*known, *claimed]

    def drop_stub(self, ref: str) -> None:
        """Record only a digest of a message's id, as if its stub had been stored and then erased."""
        if any(stored.ref == ref for stored in self.changes.messages):
            self._dropped.add(ref)
            self.changes.erased_ids.append(ref)

    # --- erasing --------------------------------------------------------------------------------

    def erase(self, key: int) -> None:
        """Erase a person, or an anonymous id, when the batch is written; what this batch made of it is dropped."""
        self._erased.add(key)
        self.clocked.drop(key)
        self.changes.erased_persons.append(key)

    def close(self) -> BatchResult:
        """The result, without what belongs to erased persons; what belongs to merged ones is the survivors'."""
        self.clocked.close()
        self.take_message = _refuse  # or the batch would refer to itself, until the collector comes
        changes = self.changes
        if changes.entries:
            before = chain.from_iterable(self._entries_before)
            changes.before = {e.key: e for e in before if e.key in changes.entries}
        for loser in self.moved:
            changes.persons.pop(loser, None)
        if gone := self._dropped:
            changes.messages = [m for m in changes.messages if m.ref not in gone]
        if self._erased or self.moved:
            drop_erased(changes, Owners(self._erased, self.moved))
        out = self.out
        del self.out, self.changes  # or the result would refer to itself
        return out

    # --- history ------------------------------------------------------------------------------

    def add_to_history(self, owner: int, evaluation: Evaluation) -> None:
        """Add an event to the history that `performed` conditions count, if a rule asks for its name."""
        name = evaluation.name
        if name in self.index.counted_names and evaluation.type is _TRACK:
            if coming := self.ahead.get((owner, name)):
                coming[:] = [event for event in coming if event.key != evaluation.key]
            self.history.setdefault((owner, name), []).append(HistoryEvent.of(evaluation))

    def expect(self, evaluations: Iterable[Evaluation]) -> None:
        """Note the events of a claim that are applied next, one after another: they have all happened already."""
        for each in evaluations:
            if each.type is _TRACK and each.name in self.index.counted_names:
                place = each.person_key, each.name
                self.ahead.setdefault(place, []).append(HistoryEvent.of(each))

    def remove_from_history(self, stored: StoredMessage) -> None:
        """Remove an event that turns out to belong to another person from its former owner's history."""
        events = self.history.get((stored.owner, stored.message.name))
        if not events or all(event.timestamp != stored.timestamp for event in events):
            return
        data = stored.message.data
        for event in events:
            if event.timestamp == stored.timestamp and event.data == data:
                events.remove(event)
                return

    def single_claims_of(self, anonymous_key: int, anonymous_id: str) -> list[ClaimRun]:
        """The single claims of an anonymous id that were loaded or came in this batch.

        The ends of the loaded runs are among them, without a message id.
        """
        runs = self._runs_before.get(anonymous_key, ())
        ends = [run._replace(since=run.until, message_id="") for run in runs]
        here = [
            ClaimRun(anonymous_key, each.owner, each.timestamp, each.timestamp, each.message_id)
            for each in self.changes.messages
            if anonymous_id in claimed_by(each)
        ]
        known = (*self._single_claims.get(anonymous_key, ()), *here, *runs, *ends)
        return [point._replace(person_key=self.survivor_of(point.person_key)) for point in known]

    def survivor_of(self, key: int) -> int:
        """The key of a person after the merges of this batch."""
        while key in self.moved:
            key = self.moved[key]
        return key

    def entries_in(self, rule: Rule, person_key: int) -> Sequence[PastEntry]:
        """The person's entries in this rule, this batch's included."""
        return self.past_entries.get((rule.id, person_key), ())

    def may_run(self, entry: Entry) -> bool:
        """Whether the entry's steps may run here: the rulebook has the rule, and nobody has switched it off.

        An exit ends the entry in any case.
        """
        rule = self.index.by_id.get(entry.rule)
        if rule is None or entry.state is not _ACTIVE or entry.rule in self.paused:
            return False
        return rule.active.on and self.rule_of(entry) is not None

    def rule_of(self, entry: Entry) -> Rule | None:
        """The rule in the version that the entry follows; None if the version cannot be read."""
        return self.index.by_digest.get(entry.digest) or self.rule_versions.get(entry.digest)


def _refuse(message: Message) -> None:
    raise NotImplementedError(message.message_id)
