"""One transaction on the tables in memory; the ports say what each method answers."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from heapq import merge
from itertools import islice, takewhile
from operator import attrgetter
from typing import Any, cast

import whereupon.records as records
from whereupon.messages.model import erased_digests
from whereupon.messages.times import LAST_INSTANT, as_micros
from whereupon.ports import NO_CHANNEL, DueWork, LeasedNow, Questions, Settlement, WaitingChannels
from whereupon.records import (
    GONE_SKIPS,
    Changes,
    Delivery,
    DeliveryState,
    IdKind,
    PruneAction,
    RetainedKind,
    prune_action,
)
from whereupon.storage.memory.layout import Named, Schema
from whereupon.storage.memory.tables import R
from whereupon.storage.memory.writes import write

_USER, _ANONYMOUS = (
    IdKind.USER,
    IdKind.ANONYMOUS,
)  # an attribute of an enumeration is looked up slowly
_OLD_BY = {
    "set_aside": "set_aside_at",
    "inbox": "expires_at",
    "answers": "expires_at",
    "open_skips": "expires_at",
    "runs": "timestamp",
}


class MemorySession(Questions, DueWork):
    """What an in-memory store answers itself, since it has an index for it."""

    def __init__(self, schema: Schema) -> None:
        self._in = schema

    def scan(self, kind: type[R], person_key: int | None = None) -> Iterable[R]:
        """All rows of a table, or a person's."""
        if kind is records.Skips:
            every = self._in.messages.rows if person_key is None else None
            keys = self._in.messages.owned.keys(person_key) if every is None else [*every]
            return cast("list[R]", [*self._skips(keys)])
        table = self._in.tables[kind]
        if person_key is None:
            return list(table.rows.values())
        return table.of(person_key) if table.owner else table.some([person_key])

    def _skips(self, message_keys: Iterable[int]) -> Iterator[records.Skips]:
        """What these messages skipped, as the row of each says, and its record of skips."""
        gone = self.mark(GONE_SKIPS)
        for message in self._in.messages.some(message_keys):
            key, owner, arrived = message.key, message.owner, message.message.received_at
            said, skipped = self._in.skips.rows.get(key), self._in.skipped_lists.rows.get(key)
            if said is not None:
                said = said._replace(person_key=owner)
            if skipped is not None and (gone is None or as_micros(arrived) >= gone):
                said = skipped.skips(key, owner, arrived, said)
            if said is not None:
                yield said

    def first_received(self) -> datetime | None:
        """By the order in which they came."""
        first = next(iter(self._in.messages.rows.values()), None)
        return None if first is None else first.message.received_at

    def known_messages(self, refs: Collection[str]) -> set[str]:
        """By the index, or by the digest of an erased one."""
        found = {ref for ref in refs if ref in self._in.refs.by_value}
        if erased := self._in.erased.rows:
            found.update(r for r in refs if any(digest in erased for digest in erased_digests(r)))
        return found

    def twins(self, refs: Collection[str]) -> dict[str, records.Twin]:
        """A stub says nobody's name; its request does."""
        keys = [key for ref in refs for key in self._in.refs.keys(ref)]
        found = {message.ref: message for message in self.messages(keys)}
        stubs = any(m.user_id is None and m.anonymous_id is None for m in found.values())
        asked = {r.ref: r.person for r in self._in.requests.rows.values()} if stubs else {}
        return {
            ref: records.Twin(m.type, m.name, m.user_id or asked.get(ref), m.anonymous_id)
            for ref, m in found.items()
        }

    def messages(self, keys: Collection[int]) -> list[records.StoredMessage]:
        """By key."""
        return self._in.messages.some(set(keys))

    def owned_messages(
        self, owners: Collection[int], since: datetime, limit: int | None = None
    ) -> list[records.StoredMessage]:
        """From the moment on, owner by owner."""
        owned = self._in.messages.owned
        keys = [key for owner in set(owners) for key in owned.keys(owner, (since, 0))][:limit]
        return sorted(self._in.messages.some(keys), key=attrgetter("message.timestamp", "key"))

    def identifiers(
        self, user_ids: Collection[str], anonymous_ids: Collection[str]
    ) -> list[records.Identifier]:
        """By key."""
        keys = {(_USER, value) for value in user_ids}
        return self._in.identifiers.some(keys | {(_ANONYMOUS, value) for value in anonymous_ids})

    def entries(self, keys: Collection[int]) -> list[records.Entry]:
        """By key."""
        return self._in.entries.some(set(keys))

    def persons(self, keys: Collection[int]) -> list[records.Person]:
        """By key."""
        return self._in.persons.some(set(keys))

    def claims(self, anonymous_keys: Collection[int]) -> list[records.ClaimRun]:
        """Anonymous id by anonymous id."""
        keys = (place for key in set(anonymous_keys) for place in self._in.claims_of.keys(key))
        return sorted(self._in.claims.some(keys), key=attrgetter("since", "anonymous_key"))

    def kept_versions(self, digests: Collection[str]) -> set[str]:
        """By key."""
        return self._in.versions.rows.keys() & set(digests)

    def versions_of(self, rule: str) -> set[str]:
        """One by one."""
        return {name for name, (_, kept) in self._in.versions.rows.items() if kept[0] == rule}

    def rule_version(self, digest: str) -> bytes | None:
        """By key."""
        found = self._in.versions.rows.get(digest)
        return None if found is None else cast("bytes", found.value[1])

    def mark(self, name: str) -> int | None:
        """By key."""
        found = self._in.marks.rows.get(name)
        return None if found is None else cast("int", found.value)

    def set_mark(self, name: str, value: int) -> None:
        """By key."""
        self._in.marks.put(Named(name, value))

    def allocate(self, count: int) -> int:
        """From a counter, which is a mark."""
        first = self.mark("next_key") or 1
        self.set_mark("next_key", first + count)
        return first

    def flush(self, changes: Changes) -> None:
        """In place."""
        write(changes, self._in)

    def due_entries(
        self, until: datetime, limit: int, versions: Collection[str] | None = None
    ) -> list[records.Entry]:
        """The first of each version."""
        queues = self._in.due_entries.groups
        wanted = queues.keys() if versions is None else queues.keys() & set(versions)
        due = islice(merge(*(queues[digest][:limit] for digest in wanted)), limit)
        return self._in.entries.some([key for due_at, key in due if due_at <= until])

    def due_timers(
        self, subjects: Collection[str], until: datetime, limit: int
    ) -> list[records.Timer]:
        """The first of each subject."""
        queues = self._in.timer_subjects.groups
        first = merge(*(queues[name][:limit] for name in queues.keys() & set(subjects)))
        due = takewhile(lambda place: place[0] <= until, islice(first, limit))
        return self._in.timers.some([key for _, key in due])

    def next_timers(self, subjects: Collection[str]) -> dict[str, datetime]:
        """The first of each subject."""
        queues = self._in.timer_subjects.groups
        return {str(name): queues[name][0][0] for name in queues.keys() & set(subjects)}

    def waiting_versions(self) -> list[records.WaitingVersion]:
        """The first of each version."""
        queues, rows = self._in.due_entries.groups, self._in.entries.rows
        first = ((rows[queue[0][1]], queue[0][0]) for queue in queues.values())
        found = [records.WaitingVersion(entry.rule, entry.digest, at) for entry, at in first]
        return sorted(found, key=attrgetter("digest"))

    def persons_after(self, key: int, limit: int) -> list[records.Person]:
        """In the order of the index."""
        return self._in.persons.some(self._in.person_keys.keys((), ((), key + 1), limit))

    def _waiting(self, state: str, channel: str, until: datetime, limit: int) -> list[Delivery]:
        """A channel's deliveries in a state, by due time then key."""
        places = self._in.waiting.groups.get((state, channel), ())
        due = takewhile(lambda place: place[0] <= until, places)
        return self._in.deliveries.some([key for _, key in islice(due, limit)])

    def waiting_channels(self) -> WaitingChannels:
        """The groups of the index."""
        groups: Any = self._in.waiting.groups.items()
        pending = {name: queue[0][0] for (state, name), queue in groups if state == "pending"}
        held = frozenset(name for (state, name), _ in groups if state == "held")
        return WaitingChannels(pending, held)

    def put_channel(self, state: records.ChannelState) -> None:
        """By name."""
        self._in.channels.put(state)

    def lease_deliveries(
        self, channel: str, until: datetime, leased_until: datetime, limit: int
    ) -> list[Delivery]:
        """In the order of the index."""
        taken = self._waiting("pending", channel, until, limit)
        held = self._waiting("held", channel, LAST_INSTANT, limit - len(taken))
        taken += [each.changed(state=DeliveryState.PENDING, reason=None) for each in held]
        leased = (each.changed(due_at=leased_until, is_leased=True) for each in taken)
        self._in.deliveries.put(*leased)
        return taken

    def hold_deliveries(self, channel: str, until: datetime, limit: int) -> int:
        """In the order of the index."""
        due = self._waiting("pending", channel, until, limit)
        for each in due:
            held = Settlement(each.key, DeliveryState.HELD, each.attempts, each.due_at, NO_CHANNEL)
            self._try(DeliveryState.PENDING, held)
        return len(due)

    def leased_now(self, keys: Collection[int]) -> Mapping[int, LeasedNow]:
        """By key."""
        having, found = {name for name, _ in self._in.suppressed.rows}, dict[int, LeasedNow]()
        for d in self._in.deliveries.some(keys):
            p, has = self._in.persons.rows.get(d.person_key), d.channel in having
            user_id, attributes = (None, None) if p is None else (p.user_id, p.attributes)
            place = (d.state, d.due_at, user_id, attributes)
            pause = self._in.pauses.rows.get(d.rule)
            found[d.key] = LeasedNow(*place, has, pause is not None and pause.sweep is None)
        return found

    def counted_sends(
        self, person_keys: Collection[int], since: datetime
    ) -> list[records.CountedSend]:
        """From the moment on, person by person."""
        owned = self._in.deliveries.owned
        first = (since, 2**63)
        keys = (key for person in set(person_keys) for key in owned.keys(person, first))
        counted = map(records.CountedSend.of, self._in.deliveries.some(keys))
        return [send for send in counted if send is not None]

    def sends_before(
        self, keys: Collection[int], since: datetime
    ) -> Mapping[int, list[records.CountedSend]]:
        """By key."""
        found = self._in.deliveries.some(set(keys))
        return {each.key: self._before(each, since) for each in found}

    def note_address(self, key: int, digest: bytes) -> None:
        """By key."""
        found = self._in.deliveries.some([key])
        self._in.deliveries.put(*(each.changed(address_digest=digest) for each in found))

    def settle(self, settlements: Iterable[Settlement]) -> None:
        """By key."""
        for end in settlements:
            if not self._try(DeliveryState.PENDING, end):
                self._settle_halted(end)
            if end.result is not None:
                found = self._in.deliveries.some([end.key])
                self._in.deliveries.put(*(each.changed(result=end.result) for each in found))
            for entry in self._in.entries.some([] if end.wakes is None else [end.wakes]):
                if entry.is_inside and entry.due_at == records.NEVER:
                    self._in.entries.put(entry.changed(due_at=end.due_at))

    def revive(self, key: int, due_at: datetime) -> bool:
        """By key."""
        again = Settlement(key, DeliveryState.PENDING, 0, due_at, None)
        return self._try(DeliveryState.DEAD, again)

    def _try(self, state: DeliveryState, end: Settlement) -> bool:
        found = [each for each in self._in.deliveries.some([end.key]) if each.state is state]
        for was in found:
            ended = was.changed(state=end.state, attempts=end.attempts, reason=end.reason)
            self._in.deliveries.put(ended.changed(due_at=end.due_at, is_leased=False))
        return bool(found)

    def _settle_halted(self, end: Settlement) -> None:
        """What was paused while a channel was called with it has come to its end; so has what was withdrawn then."""
        if end.state is not DeliveryState.PENDING:
            self._try(DeliveryState.PAUSED, end)
        if end.state is DeliveryState.SENT:
            self._try(DeliveryState.WITHHELD, end)
        for was in self._in.deliveries.some([end.key]):
            if was.state is DeliveryState.WITHHELD:
                self._in.deliveries.put(was.changed(is_leased=False))

    def count_prunable(self, cutoff: records.RetentionCutoff) -> records.PruneStep:
        """By table."""
        rows = self._in.tables[records.PRUNED_RECORDS[cutoff.kind]].rows.values()
        actions = Counter(prune_action(record, cutoff) for record in rows)
        return records.PruneStep(actions[PruneAction.DROP], actions[PruneAction.EMPTY])

    def prune(self, cutoff: records.RetentionCutoff, after: int, reach: int) -> records.PruneStep:
        """The next by key; the oldest of those whose keys are texts."""
        if cutoff.kind is RetainedKind.SKIPS:
            before, gone_before = as_micros(cutoff.before), self.mark(GONE_SKIPS)
            self.set_mark(GONE_SKIPS, before if gone_before is None else max(before, gone_before))
        table = self._in.tables[records.PRUNED_RECORDS[cutoff.kind]]
        if time := _OLD_BY.get(cutoff.kind):
            old = [(k, each) for k, each in table.rows.items() if prune_action(each, cutoff)]
            oldest = sorted((getattr(each, time), key) for key, each in old)[:reach]
            table.drop(*(key for _, key in oldest))
            return records.PruneStep(len(oldest), cursor=after if len(oldest) == reach else None)
        keys = sorted(key for key in table.rows if key > after)[:reach]
        actions = [(prune_action(table.rows[key], cutoff), key) for key in keys]
        gone = [key for action, key in actions if action is PruneAction.DROP]
        emptied = [key for action, key in actions if action is PruneAction.EMPTY]
        table.drop(*gone)
        table.put(
            *(entry.changed(facts=records.NOTHING, trail=()) for entry in table.some(emptied))
        )
        cursor = keys[-1] if len(keys) == reach else None
        return records.PruneStep(len(gone), len(emptied), cursor)
