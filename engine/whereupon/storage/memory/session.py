"""One transaction on the tables in memory; the ports say what each method answers."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from heapq import merge
from itertools import islice, takewhile
from typing import TypeVar, cast

import whereupon.records as records
from whereupon.messages.model import erased_digests
from whereupon.ports import NO_CHANNEL, DueWork, LeasedNow, Questions, Settlement
from whereupon.records import Changes, Delivery, DeliveryState, IdKind, PruneAction, prune_action
from whereupon.storage.memory.schema import Named, Schema
from whereupon.storage.memory.writing import write

R = TypeVar("R")


class MemorySession(Questions, DueWork):
    """What an in-memory store answers itself, since it has an index for it."""

    def __init__(self, schema: Schema) -> None:
        self._in = schema

    def scan(self, kind: type[R], person_key: int | None = None) -> Iterable[R]:
        """All rows of a table, or a person's."""
        table = self._in.tables[kind]
        if person_key is None:
            return list(table.rows.values())
        if kind is records.Skips:
            met = self._in.skips.some(self._in.messages.owned.keys(person_key))
            return cast("list[R]", [skips._replace(person_key=person_key) for skips in met])
        return table.of(person_key) if table.owner else table.some([person_key])

    def known_messages(self, refs: Collection[str]) -> set[str]:
        """By the index, or by the digest of an erased one."""
        found = {ref for ref in refs if ref in self._in.refs.keys}
        if erased := self._in.erased.rows:
            found.update(r for r in refs if any(digest in erased for digest in erased_digests(r)))
        return found

    def twins(self, refs: Collection[str]) -> dict[str, records.Twin]:
        """A stub says nobody's name; its request does."""
        keys = self._in.refs.keys
        found = {m.ref: m for m in self.messages([keys[ref] for ref in refs if ref in keys])}
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
        keys = [key for owner in set(owners) for key in owned.keys(owner, (since, 0))]
        found = self._in.messages.some(keys[:limit])
        return sorted(found, key=lambda message: (message.timestamp, message.key))

    def identifiers(
        self, user_ids: Collection[str], anonymous_ids: Collection[str]
    ) -> list[records.Identifier]:
        """By key."""
        users, anonymous = set(user_ids), set(anonymous_ids)
        keys = [(IdKind.USER, value) for value in users]
        return self._in.identifiers.some(keys + [(IdKind.ANONYMOUS, v) for v in anonymous])

    def persons(self, keys: Collection[int]) -> list[records.Person]:
        """By key."""
        return self._in.persons.some(set(keys))

    def claims(self, anonymous_keys: Collection[int]) -> list[records.Claim]:
        """Anonymous id by anonymous id."""
        keys = [place for key in set(anonymous_keys) for place in self._in.claims_of.keys(key)]
        found = self._in.claims.some(keys)
        return sorted(found, key=lambda claim: (claim.since, claim.anonymous_key))

    def active_entries(self, person_keys: Collection[int]) -> list[records.Entry]:
        """Person by person."""
        keys = [key for person in set(person_keys) for key in self._in.active.keys(person)]
        return self._in.entries.some(keys)

    def kept_versions(self, digests: Collection[str]) -> set[str]:
        """By key."""
        return self._in.versions.rows.keys() & set(digests)

    def rule_version(self, digest: str) -> bytes | None:
        """By key."""
        found = self._in.versions.rows.get(digest)
        return None if found is None else cast("bytes", found.value)

    def request(self, key: int) -> records.Request | None:
        """By key."""
        return self._in.requests.rows.get(key)

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

    def next_due(self, channels: Collection[str] | None = None) -> datetime | None:
        """The first of what waits."""
        due = [each.due_at for each in islice(self._waiting("pending", channels), 1)]
        due += [claim.due_at for claim in self._in.claimings.rows.values()]
        return min(due, default=None)

    def due_entries(
        self, until: datetime, limit: int, versions: Collection[str] | None = None
    ) -> list[records.Entry]:
        """The first of each version."""
        queues = self._in.due_entries.groups
        wanted = queues.keys() if versions is None else queues.keys() & set(versions)
        due = islice(merge(*(queues[digest][:limit] for digest in wanted)), limit)
        return self._in.entries.some([key for due_at, key in due if due_at <= until])

    def waiting_versions(self) -> list[records.WaitingVersion]:
        """The first of each version."""
        queues, rows = self._in.due_entries.groups, self._in.entries.rows
        first = ((rows[queue[0][1]], queue[0][0]) for queue in queues.values())
        found = [records.WaitingVersion(entry.rule, entry.digest, at) for entry, at in first]
        return sorted(found, key=lambda version: version.digest)

    def count_entries(self, digests: Collection[str]) -> dict[str, int]:
        """The length of each queue."""
        queues = self._in.due_entries.groups
        return {digest: len(queues[digest]) for digest in set(digests) if digest in queues}

    def waiting_runs(self) -> list[records.BroadcastRun]:
        """In the order of the index."""
        return self._in.runs.some(self._in.open_runs.keys())

    def persons_after(self, key: int, limit: int) -> list[records.Person]:
        """In the order of the index."""
        return self._in.persons.some(self._in.person_keys.keys(first=((), key + 1))[:limit])

    def _waiting(self, state: str, channels: Collection[str] | None) -> Iterator[Delivery]:
        """Deliveries of these channels in a state, by due time then key."""
        rows = self._in.deliveries.rows
        found = (rows[key] for _, key in self._in.waiting.groups.get(state, ()))
        return (each for each in found if channels is None or each.channel in channels)

    def lease_deliveries(
        self,
        until: datetime,
        leased_until: datetime,
        limit: int,
        channels: Collection[str] | None = None,
    ) -> list[Delivery]:
        """In the order of the index."""
        due = takewhile(lambda d: d.due_at <= until, self._waiting("pending", channels))
        taken = list(islice(due, limit))
        held = islice(self._waiting("held", channels), limit - len(taken))
        taken += [each._replace(state=DeliveryState.PENDING, reason=None) for each in held]
        for delivery in taken:
            self._in.deliveries.put(delivery._replace(due_at=leased_until))
        return taken

    def hold_deliveries(
        self, until: datetime, channels: Collection[str], limit: int
    ) -> dict[str, int]:
        """In the order of the index."""
        due = takewhile(lambda d: d.due_at <= until, self._waiting("pending", None))
        foreign = list(islice((each for each in due if each.channel not in channels), limit))
        for delivery in foreign:
            held = delivery._replace(state=DeliveryState.HELD, reason=NO_CHANNEL)
            self._in.deliveries.put(held)
        return Counter(delivery.channel for delivery in foreign)

    def leased_now(self, key: int) -> LeasedNow | None:
        """By key."""
        delivery = self._in.deliveries.rows.get(key)
        if delivery is None:
            return None
        person = self._in.persons.rows.get(delivery.person_key)
        who = (person.user_id, person.attributes) if person else (None, None)
        return LeasedNow(delivery.state, delivery.due_at, *who)

    def settle(self, settlements: Iterable[Settlement]) -> None:
        """By key."""
        for end in settlements:
            was = self._in.deliveries.rows.get(end.key)
            if was is not None and was.state is DeliveryState.PENDING:
                ended = was._replace(state=end.state, attempts=end.attempts, reason=end.reason)
                self._in.deliveries.put(ended._replace(due_at=end.due_at))

    def revive(self, key: int, due_at: datetime) -> bool:
        """By key."""
        was = self._in.deliveries.rows.get(key)
        if was is None or was.state is not DeliveryState.DEAD:
            return False
        anew = was._replace(state=DeliveryState.PENDING, attempts=0, due_at=due_at, reason=None)
        self._in.deliveries.put(anew)
        return True

    def prune(self, cutoff: records.RetentionCutoff, after: int, reach: int) -> records.PruneStep:
        """The next by key; of messages set aside the oldest, which have no such key."""
        table = self._in.tables[records.PRUNED_RECORDS[cutoff.kind]]
        if cutoff.kind is records.RetainedKind.SET_ASIDE:
            old = [each for each in table.rows.values() if prune_action(each, cutoff)]
            oldest = sorted(old, key=lambda each: (each.set_aside_at, each.ref))[:reach]
            table.drop(*(each.ref for each in oldest))
            return records.PruneStep(len(oldest), cursor=after if len(oldest) == reach else None)
        keys = sorted(key for key in table.rows if key > after)[:reach]
        actions = {key: prune_action(table.rows[key], cutoff) for key in keys}
        table.drop(*(key for key, action in actions.items() if action is PruneAction.DROP))
        emptied = [key for key, action in actions.items() if action is PruneAction.EMPTY]
        for entry in table.some(emptied):
            table.put(entry._replace(facts=records.NOTHING))
        gone = sum(action is PruneAction.DROP for action in actions.values())
        return records.PruneStep(gone, len(emptied), keys[-1] if len(keys) == reach else None)
