"""What people ask of a database."""

from collections.abc import Collection, Iterator
from datetime import datetime
from heapq import nlargest
from typing import TypeAlias

import whereupon.storage.sql.rows as rows
import whereupon.storage.sql.rule_rows as rule_rows
import whereupon.storage.sql.run_rows as run_rows
from whereupon.messages.times import as_micros, from_micros
from whereupon.ports import (
    ANY_DELIVERY,
    FOOTPRINT,
    Backlog,
    Counts,
    DeadLetters,
    DeliveryFilter,
    Questions,
)
from whereupon.records import (
    BroadcastRun,
    Delivery,
    DeliveryState,
    Entry,
    EntryCount,
    EntryFilter,
    EntryState,
    InboxItem,
    Merge,
    MetricReport,
    Person,
    PersonFootprint,
    PruneStep,
    RetentionCutoff,
    RunPlace,
    SetAside,
    Skips,
    SkipSearch,
    StoredMessage,
    TimeSkip,
)
from whereupon.storage.sql.access import LAST_KEY, bound
from whereupon.storage.sql.figure_questions import SqlFigureQuestions
from whereupon.storage.sql.guard_questions import SqlGuardQuestions
from whereupon.storage.sql.met_skips import met_from
from whereupon.storage.sql.rows import instant_or_none
from whereupon.storage.sql.time_skip_rows import time_skip_from

_Decided: TypeAlias = tuple[tuple[datetime, int, int], Entry | Skips | TimeSkip]
"""A decision behind its place in time: timestamp, message key, entry key."""


_UNFINISHED = frozenset(DeliveryState) - {DeliveryState.SENT, DeliveryState.WITHHELD}


class SqlQuestions(SqlGuardQuestions, SqlFigureQuestions, Questions):
    """The ports say what each method answers."""

    def decided(
        self, person_key: int, rule: str, limit: int
    ) -> list[tuple[StoredMessage | None, Entry | Skips | TimeSkip]]:
        """A person's decisions for a rule."""
        decisions = [
            *self._entered(person_key, rule, limit),
            *self._skipped(person_key, rule, limit),
            *self._skipped_by_time(person_key, rule, limit),
        ]
        newest = nlargest(limit, decisions, key=lambda decided: decided[0])
        found = self.messages([order[1] for order, _ in newest])
        messages = {message.key: message for message in found}
        return [(messages.get(order[1]), decision) for order, decision in newest]

    def _entered(self, person_key: int, rule: str, limit: int) -> Iterator[_Decided]:
        found = self._queries.entries_of.fetch(
            self._connection, person=person_key, rule=rule, limit=limit
        )
        for entry in map(rule_rows.entry_from, found):
            yield (entry.timestamp, entry.message_key, entry.key), entry

    def _skipped(self, person_key: int, rule: str, limit: int) -> Iterator[_Decided]:
        """Read on, newest first, until enough of the person's skips name the rule."""
        left = limit
        wanted = SkipSearch(rule, self.rule_version)
        with self._queries.skips_of.stream(self._connection, person=person_key) as found:
            for row in found if limit else ():
                skips = met_from(row[1:])
                if wanted.is_in(skips):
                    yield (from_micros(row[0]), skips.message_key, 0), skips
                    left -= 1
                if left == 0:
                    return

    def _skipped_by_time(self, person_key: int, rule: str, limit: int) -> Iterator[_Decided]:
        found = self._queries.time_skips_of.fetch(
            self._connection, person=person_key, rule=rule, limit=limit
        )
        for skip in map(time_skip_from, found):
            yield (skip.timestamp, 0, skip.key), skip

    def decided_on(self, person_key: int, message_keys: Collection[int]) -> list[Entry | Skips]:
        """What these messages led to."""
        members = self._database.members(message_keys)
        entered = self._queries.entries_by.fetch(self._connection, person=person_key, keys=members)
        met = self._queries.skips_on.fetch(self._connection, person=person_key, keys=members)
        return [*map(rule_rows.entry_from, entered), *map(met_from, met)]

    def claimed_messages(self, person_key: int, limit: int) -> list[StoredMessage]:
        """Messages that claims made a person's."""
        found = self._queries.claimed_messages.fetch(
            self._connection, person=person_key, limit=limit
        )
        return rows.messages_from(found)

    def merges(self, person_keys: Collection[int]) -> list[Merge]:
        """Merges that these persons survived."""
        members = self._database.members(person_keys)
        found = self._queries.merges.fetch(self._connection, keys=members)
        return list(map(rows.merge_from, found))

    def versions_of(self, rule: str) -> set[str]:
        """Kept versions."""
        found = self._queries.versions_of.fetch(self._connection, rule=rule)
        return {str(digest) for (digest,) in found}

    def reports_of(self, key: str) -> list[MetricReport]:
        """Reports of a delivery."""
        found = self._queries.reports_of.fetch(self._connection, key=key)
        return list(map(rows.report_from, found))

    def survivor_of(self, person_key: int) -> int | None:
        """The survivor of a merge, by who was lost in it."""
        found = self._queries.survivor_of.fetch(self._connection, loser=person_key)
        return found[0][0] if found else None

    def messages_before(
        self, person_key: int, before: tuple[datetime, int] | None, limit: int
    ) -> list[StoredMessage]:
        """A person's messages."""
        found = self._queries.messages_before.fetch(
            self._connection,
            person=person_key,
            before=LAST_KEY if before is None else as_micros(before[0]),
            key_before=LAST_KEY if before is None else before[1],
            limit=limit,
        )
        return rows.messages_from(found)

    def persons_with_email(self, emails: Collection[str]) -> list[Person]:
        """Persons by the address that their row has."""
        members = self._database.members(emails)
        found = self._queries.persons_with_email.fetch(self._connection, emails=members)
        return list(map(rows.person_from, found))

    def runs_of(
        self, rule: str, limit: int, before: tuple[datetime, str] | None = None
    ) -> list[BroadcastRun]:
        """A broadcast's newest runs."""
        found = self._queries.runs_of.fetch(
            self._connection,
            rule=rule,
            before=LAST_KEY if before is None else as_micros(before[0]),
            occasion_before="" if before is None else before[1],
            limit=limit,
        )
        return list(map(run_rows.run_from, found))

    def runs_before(self, before: RunPlace | None, limit: int) -> list[BroadcastRun]:
        """Runs behind a place."""
        at, rule, occasion = before or (None, "", "")
        micros = LAST_KEY if at is None else as_micros(at)
        found = self._queries.runs_before.fetch(
            self._connection, before=micros, rule=rule, occasion=occasion, limit=limit
        )
        return list(map(run_rows.run_from, found))

    def count_waiting_of_run(self, rule: str, occasion: str) -> int:
        """A run's deliveries that wait."""
        asked = {"rule": rule, "occasion": occasion}
        (numbers,) = self._queries.count_waiting_of_run.fetch(self._connection, **asked)
        return sum(map(int, numbers))

    def count_ahead(self, run: BroadcastRun) -> int:
        """Timers of a run, or persons behind its cursor."""
        if run.is_open:
            found = self._queries.count_timers.fetch(self._connection, subject=run.subject)
        elif run.cursor is not None:
            found = self._queries.count_persons_after.fetch(self._connection, after=run.cursor)
        else:
            return 0
        ((number,),) = found
        return int(number)

    def entries_after(
        self, which: EntryFilter, after: int, limit: int, reach: int
    ) -> tuple[list[Entry], int | None]:
        """Entries by key, by the index that the filter allows."""
        asked, end = self._meant(which), None
        if which.person_key is not None:
            select = self._queries.entries_of_person
            asked["person"] = which.person_key
        elif which.rule is not None and which.is_inside:
            is_paused = which.states == (EntryState.PAUSED,)
            queries = self._queries
            select = queries.entries_paused if is_paused else queries.entries_inside
        else:
            behind = self._queries.prune_end_entries.fetch(
                self._connection, after=after, skipped=reach - 1
            )
            end = int(behind[0][0]) if behind else None
            select = self._queries.entries_among
            asked["until"] = LAST_KEY if end is None else end
        found = select.fetch(self._connection, **asked, after=after, limit=limit)
        entries = list(map(rule_rows.entry_from, found))
        return entries, entries[-1].key if len(entries) == limit else end

    def _meant(self, which: EntryFilter) -> dict[str, object]:
        """A filter, as statements bind it."""
        return {
            "states": self._database.members([state.value for state in which.states]),
            "any_rule": int(which.rule is None),
            "rule": which.rule or "",
            "any_version": int(which.version is None),
            "version": which.version or "",
            "any_address": int(which.address is None),
            "address": which.address or "",
        }

    def count_paused(self) -> dict[str, int]:
        """How many entries are paused, by an index of their own."""
        found = self._queries.count_paused.fetch(self._connection)
        return {str(rule): int(number) for rule, number in found}

    def count_inside(self, rule: str | None) -> list[EntryCount]:
        """People inside, by where they stand."""
        if rule is None:
            found = self._queries.count_inside.fetch(self._connection)
        else:
            found = self._queries.count_inside_of.fetch(self._connection, rule=rule)
        return list(map(rule_rows.count_from, found))

    def set_aside(self, limit: int) -> list[SetAside]:
        """The newest messages set aside."""
        found = self._queries.set_aside.fetch(self._connection, limit=limit)
        return list(map(rows.set_aside_from, found))

    def deliveries(
        self,
        states: Collection[DeliveryState],
        limit: int,
        which: DeliveryFilter = ANY_DELIVERY,
        after: int = 0,
    ) -> list[Delivery]:
        """Deliveries in these states; those that are not over, or are a person's, by an index of theirs."""
        select = self._queries.deliveries
        given: dict[str, object] = {}
        if which.person_key is not None:
            select, given = self._queries.person_deliveries, {"person": which.person_key}
        elif _UNFINISHED.issuperset(states):
            select = self._queries.unfinished_deliveries
        else:
            given = {"after": after}
        found = select.fetch(
            self._connection,
            states=self._database.members([state.value for state in states]),
            limit=limit,
            before=LAST_KEY if which.before is None else which.before,
            any_channel=int(which.channel is None),
            channel=which.channel or "",
            any_rule=int(which.rule is None),
            rule=which.rule or "",
            **given,
        )
        return list(map(rule_rows.delivery_from, found))

    def delivery_page(
        self,
        states: Collection[DeliveryState],
        limit: int,
        which: DeliveryFilter = ANY_DELIVERY,
        reach: int = LAST_KEY,
    ) -> tuple[list[Delivery], int | None]:
        """A page of deliveries. Those that are over have no index by channel and rule, so it goes no further than that."""
        is_indexed = which.person_key is not None or _UNFINISHED.issuperset(states)
        end = None
        if not is_indexed and (which.channel is not None or which.rule is not None):
            before = LAST_KEY if which.before is None else which.before
            asked = {"before": before, "skipped": reach - 1}
            last = self._queries.deliveries_end.fetch(self._connection, **asked)
            end = int(last[0][0]) if last else None
        found = self.deliveries(states, limit, which, end or 0)
        return found, found[-1].key if found and len(found) == limit else end

    def deliveries_of(self, person_key: int, occasions: Collection[str]) -> list[Delivery]:
        """A person's deliveries by occasion."""
        members = self._database.members(occasions)
        found = self._queries.deliveries_of.fetch(
            self._connection, person=person_key, occasions=members
        )
        return list(map(rule_rows.delivery_from, found))

    def dead(self, which: DeadLetters) -> int:
        """How many dead deliveries are meant."""
        ((count,),) = self._queries.dead_count.fetch(self._connection, **bound(which))
        return int(count)

    def backlog(self) -> list[Backlog]:
        """How many deliveries are not at their end."""
        return [
            Backlog(DeliveryState(state), channel, count, from_micros(oldest))
            for state, channel, count, oldest in self._queries.backlog.fetch(self._connection)
        ]

    def inbox(
        self,
        person_key: int,
        limit: int,
        *,
        now: datetime,
        before: tuple[datetime, str] | None = None,
        unread: bool = False,
    ) -> list[InboxItem]:
        """A person's items."""
        select = self._queries.unread_inbox if unread else self._queries.inbox
        found = select.fetch(
            self._connection,
            person=person_key,
            created_before=LAST_KEY if before is None else as_micros(before[0]),
            key_before="" if before is None else before[1],
            now=as_micros(now),
            limit=limit,
        )
        return list(map(rule_rows.inbox_item_from, found))

    def inbox_item(self, key: str) -> InboxItem | None:
        """An item by key."""
        found = self._queries.inbox_item.fetch(self._connection, key=key)
        return rule_rows.inbox_item_from(found[0]) if found else None

    def count_unread(self, person_key: int, now: datetime) -> int:
        """How many are unread."""
        given = {"person": person_key, "now": as_micros(now)}
        ((count,),) = self._queries.count_unread.fetch(self._connection, **given)
        return int(count)

    def inbox_behind(self, person_key: int, channel: str, skipped: int, limit: int) -> list[str]:
        """Keys behind the newest."""
        asked = {"person": person_key, "channel": channel, "skipped": skipped, "limit": limit}
        return [key for (key,) in self._queries.inbox_behind.fetch(self._connection, **asked)]

    def counts(self) -> Counts:
        """How many of each."""
        ((messages, persons, entries, deliveries),) = self._queries.counts.fetch(self._connection)
        return Counts(messages, persons, entries, deliveries)

    def first_received(self) -> datetime | None:
        """By the lowest key."""
        found = self._queries.first_received.fetch(self._connection)
        return from_micros(found[0][0]) if found else None

    def count_persons(self) -> int:
        """How many persons."""
        ((count,),) = self._queries.count_persons.fetch(self._connection)
        return int(count)

    def footprint(self, person_key: int) -> PersonFootprint:
        """How much is a person's."""
        ((*counts, latest),) = self._queries.footprint.fetch(self._connection, person=person_key)
        return PersonFootprint(
            {name: int(count) for name, count in zip(FOOTPRINT, counts, strict=True)},
            instant_or_none(latest),
        )

    def count_prunable(self, cutoff: RetentionCutoff) -> PruneStep:
        """How much that would be."""
        return self._writes.pruner.count(cutoff)
