"""Writing a batch's changes into a database, in the port's order: erase, merge, then the rest.

Every table is written once a batch, all rows in one call of the driver.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

from sqlalchemy import Connection

import whereupon.storage.sql.api_key_rows as api_key_rows
import whereupon.storage.sql.rows as rows
import whereupon.storage.sql.rule_rows as rule_rows
import whereupon.storage.sql.run_rows as run_rows
from whereupon.messages.model import erased_digest
from whereupon.messages.times import as_micros
from whereupon.ports import NO_CHANNEL, Settlement
from whereupon.records import NEVER, Changes, Delivery, DeliveryState, IdKind, Merge
from whereupon.storage.sql.dialects import Database, Parameters, Statement
from whereupon.storage.sql.entry_changes import changed_entries
from whereupon.storage.sql.erasure import Erasure
from whereupon.storage.sql.keys import take_keys
from whereupon.storage.sql.message_names import MessageNames
from whereupon.storage.sql.open_skip_rows import write_open_skips
from whereupon.storage.sql.process_cache import Name, SessionCache
from whereupon.storage.sql.prune import Pruner
from whereupon.storage.sql.queries import Queries
from whereupon.storage.sql.row_locks import Rank, RowLocks
from whereupon.storage.sql.time_skip_rows import time_skip_row
from whereupon.storage.sql.transfers import ClaimTransfers

_Order: TypeAlias = Callable[[Parameters], Any]
_FIRST, _SECOND, _LAST = itemgetter(0), itemgetter(1), itemgetter(-1)
_FIRST_TWO, _FIRST_THREE = itemgetter(0, 1), itemgetter(0, 1, 2)


class SqlWrites:
    """One session's writes.

    Args:
        locks: what this session has locked; None if there are no other writers. With locks, rows are
            written in the order of their table's unique key.
    """

    def __init__(
        self,
        connection: Connection,
        database: Database,
        queries: Queries,
        names: MessageNames,
        erasure: Erasure,
        cache: SessionCache,
        locks: RowLocks | None = None,
    ) -> None:
        self.cache = cache
        self._locks = locks
        self._connection = connection
        self._database = database
        self._queries = queries
        self._names = names
        self._erasure = erasure
        self.pruner = Pruner(connection, database, queries)
        self._transfers = ClaimTransfers(connection, database, queries, names)

    def allocate(self, count: int) -> int:
        """Reserve keys; returns the first."""
        if self._database.one_writer:
            ((after,),) = self._queries.take_keys.fetch(self._connection, count=count)
            return int(after) - count
        take_blocks = self._queries.take_blocks
        return take_keys(self._connection, self.cache, count, take_blocks, self._names.side)

    def write(self, changes: Changes) -> None:
        """Write everything that a batch made."""
        theirs = self._theirs(changes.erased_persons) if changes.erased_persons else None
        if self._locks is not None:
            blanked: Collection[int] = ()
            if theirs is not None:
                self._locks.check_runs(self._erasure.open_runs(theirs))
                blanked = self._erasure.sent_to_others(theirs)
            self._locks.before_writing(changes, blanked)
        self._erase(changes, theirs)
        for merge in changes.merges:
            self._merge(merge)
        self._persons(changes)  # before names: whoever occupies an id may go on to a new name
        self._messages(changes)
        self._entries(changes)
        self._objects(changes)
        self._records(changes)
        if self._locks is not None:
            self._locks.after_writing(changes)

    def _many(
        self, statement: Statement, rows: Iterable[Parameters], order: _Order | None = _FIRST
    ) -> int:
        """Write rows; how many of them there were to write on."""
        if self._locks is None:
            return statement.write(self._connection, list(rows))
        self._locks.refresh_timeout()
        written = list(rows) if order is None else sorted(rows, key=order)
        return statement.write(self._connection, written)

    def _messages(self, changes: Changes) -> None:
        for transfer in changes.transfers:
            self._transfers.write(transfer)
        if changes.messages:
            names: set[Name] = {
                (stored.message.type, stored.message.name) for stored in changes.messages
            }
            numbers = self._names.number(self._connection, names)
            lists = self._names.lists.numbered(self._connection, changes.skipped_lists)
            made = rows.message_rows(changes.messages, numbers, lists)
            self._many(self._queries.add_message, made, _SECOND)
        if changes.owners:
            owners = ((owner, key) for key, owner in changes.owners)
            self._many(self._queries.change_owner, owners, _LAST)
        if changes.discarded_skips:
            self._discard_skips(changes.discarded_skips)
        if changes.skips:
            self._skips(changes)

    def _discard_skips(self, discarded_skips: Mapping[int, Collection[str]]) -> None:
        members = self._database.members(list(discarded_skips))
        found = self._queries.earlier_skips.fetch(self._connection, keys=members)
        earlier = [rule_rows.skips_from(row, person_key=0) for row in found]
        self._many(self._queries.drop_skips, ((skips.message_key,) for skips in earlier))
        left = (skips.without_person(discarded_skips[skips.message_key]) for skips in earlier)
        self._many(self._queries.add_skips, rule_rows.skips_rows(s for s in left if s is not None))

    def _skips(self, changes: Changes) -> None:
        """The first of a message, which may be new or may have met none yet, are simply inserted."""
        new = {skips.message_key for skips in changes.skips}
        old = new - {stored.key for stored in changes.messages}
        if old:
            members = self._database.members(old)
            new -= {key for (key,) in self._queries.skipped.fetch(self._connection, keys=members)}
        first, later = list[Parameters](), list[Parameters]()
        for row in rule_rows.skips_rows(changes.skips):
            if row[0] in new:
                new.discard(row[0])
                first.append(row)
            else:
                later.append(row)
        self._many(self._queries.add_skips, first)
        self._many(self._queries.append_skips, later)

    def _persons(self, changes: Changes) -> None:
        queries = self._queries
        identifiers = ((i.value, i.kind.value, i.key) for i in changes.identifiers)
        dropped = ((key, as_micros(since)) for key, since in changes.dropped_claims)
        self._many(queries.add_identifier, identifiers, _FIRST_TWO)
        self._many(queries.put_person, map(rows.person_row, changes.persons.values()))
        self._many(queries.drop_claim, dropped, _FIRST_TWO)
        self._many(queries.put_claim, map(rows.claim_row, changes.claims.values()), _FIRST_TWO)
        begun = changes.claim_jobs.items()
        self._many(queries.put_claim_job, (rows.claim_job_row(each) for _, each in begun if each))
        self._many(queries.drop_claim_job, ((key,) for key, each in begun if each is None))

    def _entries(self, changes: Changes) -> None:
        queries, new = self._queries, changes.new_entries
        added = (rule_rows.entry_row(e) for key, e in changes.entries.items() if key in new)
        changed = changed_entries(changes)
        self._many(queries.step_entry, changed.stepped, _LAST)
        self._many(queries.mark_entry, changed.marked, _LAST)
        self._many(queries.free_entry, changed.freed, _LAST)  # before others, who may want the slot
        self._many(queries.change_entry, changed.others, _LAST)
        self._many(queries.add_entry, added)
        self._many(queries.add_delivery, map(rule_rows.delivery_row, changes.deliveries))
        write_open_skips(
            self._many, queries.put_open_skip, queries.drop_open_skip, changes.open_skips
        )
        self._timers(changes)
        self._many(queries.add_time_skip, map(time_skip_row, changes.time_skips))
        withdrawn = ((reason, key) for key, reason in changes.withdrawn.items())
        self._many(queries.withdraw, withdrawn, _LAST)
        halted = changes.halted.items()
        self._many(queries.halt_delivery, ((key,) for key, halt in halted if halt), _LAST)
        self._many(queries.release_delivery, ((key,) for key, halt in halted if not halt), _LAST)
        self._many(queries.advance_run, map(run_rows.run_row, changes.runs.values()), _FIRST_TWO)
        operated = map(run_rows.operated_run_row, changes.operated_runs.values())
        self._many(queries.operate_run, operated, _LAST)
        pauses = changes.pauses.items()
        self._many(queries.drop_pause, ((rule,) for rule, pause in pauses if pause is None))
        self._many(queries.put_pause, (rule_rows.pause_row(p) for _, p in pauses if p is not None))

    def _timers(self, changes: Changes) -> None:
        queries, handled, armed = self._queries, changes.timers, changes.armed
        if not handled and not armed and not changes.armings:
            return
        gone = (place for place, due_at in handled.items() if due_at is None)
        self._many(queries.drop_timer, gone, _FIRST_TWO)
        kept = ((*place, as_micros(at)) for place, at in handled.items() if at is not None)
        self._many(queries.put_timer, kept, _FIRST_TWO)
        rows = ((*place, as_micros(at)) for place, at in armed.items())
        self._many(queries.arm_timer, rows, _FIRST_TWO)
        armings = changes.armings.items()
        self._many(queries.drop_arming, (place for place, a in armings if a is None), _FIRST_TWO)
        advanced = ((*p, as_micros(a.begun_at), a.cursor) for p, a in armings if a is not None)
        self._many(queries.put_arming, advanced, _FIRST_TWO)

    def _objects(self, changes: Changes) -> None:
        queries = self._queries
        devices, things, ties = changes.devices, changes.objects, changes.relationships
        self._many(queries.drop_device, ((token,) for token, d in devices.items() if d is None))
        self._many(queries.put_device, (rows.device_row(d) for d in devices.values() if d))
        self._many(queries.drop_object, (n for n, t in things.items() if t is None), _FIRST_TWO)
        kept = (rows.thing_row(t) for t in things.values() if t)
        self._many(queries.put_object, kept, _FIRST_TWO)
        named = map(rows.thing_row, changes.named_objects.values())
        self._many(queries.keep_object, named, _FIRST_TWO)
        gone = (rows.relationship_row(tie) for tie, holds in ties.items() if not holds)
        held = (rows.relationship_row(tie) for tie, holds in ties.items() if holds)
        self._many(queries.drop_relationship, gone, _FIRST_THREE)
        self._many(queries.put_relationship, held, _FIRST_THREE)

    def _records(self, changes: Changes) -> None:
        queries, tombstones = self._queries, changes.tombstones
        lifted = ((d.hex(), of.hex()) for (d, of), t in tombstones.items() if t is None)
        self._many(queries.drop_tombstone, lifted)
        self._many(queries.put_tombstone, (rows.tombstone_row(t) for t in tombstones.values() if t))
        inbox = changes.inbox
        self._many(queries.drop_inbox_item, ((key,) for key, item in inbox.items() if item is None))
        shown = (rule_rows.inbox_item_row(item) for item in inbox.values() if item)
        self._many(queries.put_inbox_item, shown)
        self._many(queries.put_report, map(rows.report_row, changes.reports))
        self._many(queries.report_delivery, _reported_bits(changes), _LAST)
        self._suppressed(changes)
        self._api_keys(changes)
        self._keep(changes.rule_versions)
        discards = {
            IdKind.USER: queries.discard_asides_of_users,
            IdKind.ANONYMOUS: queries.discard_asides_of_anonymous,
        }
        for kind in IdKind:
            if ids := [value for of, value in changes.erased_identifiers if of is kind]:
                members = self._database.members(ids)
                discards[kind].run(self._connection, ids=members)
        self._many(queries.put_set_aside, map(rows.set_aside_row, changes.set_aside))
        self._many(queries.drop_set_aside, ((name,) for name in changes.resumed))

    def _suppressed(self, changes: Changes) -> None:
        queries, addresses = self._queries, changes.suppressed
        lifted = ((channel, d.hex()) for (channel, d), each in addresses.items() if each is None)
        self._many(queries.drop_suppressed, lifted, _FIRST_TWO)
        added = (rows.suppressed_row(each) for each in addresses.values() if each is not None)
        self._many(queries.keep_suppressed, added, _FIRST_TWO)

    def _api_keys(self, changes: Changes) -> None:
        queries, secrets = self._queries, changes.api_secrets
        self._many(queries.put_api_key, map(api_key_rows.api_key_row, changes.api_keys.values()))
        self._many(queries.drop_api_secret, ((d.hex(),) for d, each in secrets.items() if not each))
        kept = (api_key_rows.api_secret_row(each) for each in secrets.values() if each)
        self._many(queries.put_api_secret, kept)

    def _keep(self, versions: Mapping[str, tuple[str, bytes]]) -> None:
        if versions and self._names.side is not None:
            self._names.side.keep(versions)
        else:
            rows = ((digest, rule, text) for digest, (rule, text) in versions.items())
            self._many(self._queries.keep_rule_version, rows)
        self.cache.learned.rule_versions |= versions.keys()

    def _theirs(self, persons: list[int]) -> object:
        """The owners that go with these persons, as they are bound."""
        keys = self._database.members(persons)
        anonymous = self._queries.only_theirs.fetch(self._connection, keys=keys)
        return self._database.members([*persons, *(key for (key,) in anonymous)])

    def _erase(self, changes: Changes, theirs: object) -> None:
        """Erase who is forgotten, and what leads to them and to other ids that are buried.

        Of every message that goes, the digest of its id stays.
        """
        named, owned = set(changes.erased_ids), set[str]()
        if theirs is not None:
            ids = self._queries.owned_ids.fetch(self._connection, keys=theirs)
            owned = {message_id for (message_id,) in ids}
            named |= self._erasure.remove(theirs)
        if changes.erased_identifiers:
            users = [value for kind, value in changes.erased_identifiers if kind is IdKind.USER]
            named |= self._erasure.remove_names(users)
        self._many(self._queries.keep_erased, ((erased_digest(name),) for name in owned | named))
        if theirs is not None:
            for statement in self._queries.each("erase"):
                statement.run(self._connection, keys=theirs)
        self._erasure.drop_messages(named)

    def _merge(self, merge: Merge) -> None:
        for statement in self._queries.each("merge_into"):
            statement.run(self._connection, survivor=merge.survivor_key, loser=merge.loser_key)
        self._queries.put_merge.write(self._connection, [rows.merge_row(merge)])

    def lease(self, deliveries: list[Delivery], leased_until: int) -> None:
        """Put deliveries off."""
        rows = ((leased_until, 1, d.key) for d in deliveries)
        self._many(self._queries.lease_delivery, rows, _LAST)

    def take_held(self, deliveries: list[Delivery], leased_until: int) -> None:
        """Put deliveries off that were held."""
        state = DeliveryState.PENDING.value
        self._many(
            self._queries.take_held_delivery,
            ((leased_until, state, None, 1, d.key) for d in deliveries),
            _LAST,
        )

    def hold(self, keys: Iterable[int]) -> None:
        """Hold deliveries for whom nobody here has the channel."""
        state = DeliveryState.HELD.value
        self._many(self._queries.hold_delivery, ((state, NO_CHANNEL, key) for key in keys), _LAST)

    def note_address(self, key: int, digest: bytes) -> None:
        """Write down the hash of a delivery's address."""
        self._queries.note_address.write(self._connection, [(digest.hex(), key)])

    def revive_some(self, keys: Iterable[int], due_at: int) -> None:
        """Put dead deliveries back."""
        state = DeliveryState.PENDING.value
        self._many(
            self._queries.revive_delivery,
            ((due_at, state, None, 0, None, key) for key in keys),
            _LAST,
        )

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Write down the end of tries; the entries that wait for one come first, as in a batch."""
        woken = {end.wakes: as_micros(end.due_at) for end in settlements if end.wakes is not None}
        if woken:
            self._wake(woken)
        ends = [
            (as_micros(end.due_at), end.state.value, end.reason, end.attempts, None, end.key)
            for end in settlements
        ]
        if self._locks is not None and len(ends) > 1:  # one statement changes them as it likes
            self._locks.deliveries([key for *_, key in ends])
        if self._many(self._queries.settle_delivery, ends, _LAST) < len(ends):
            self._settle_halted(ends)

        results = ((rule_rows.result_text(end.result), end.key) for end in settlements)
        told = [(text, key) for text, key in results if text is not None]
        self._many(self._queries.note_result, told, _LAST)

    def _wake(self, woken: Mapping[int, int]) -> None:
        """Let entries be due that have waited for how a delivery ends."""
        if self._locks is not None:
            self._locks.reach(Rank.WRITING, again=True)
        rows = ((at, key, as_micros(NEVER)) for key, at in woken.items())
        self._many(self._queries.wake_entry, rows, _SECOND)

    def _settle_halted(self, ends: Sequence[Parameters]) -> None:
        """What was paused while a channel was called with it has come to its end; so has what was withdrawn then."""
        final = [end for end in ends if end[1] != DeliveryState.PENDING.value]
        sent = [end for end in final if end[1] == DeliveryState.SENT.value]
        self._many(self._queries.settle_paused_delivery, final, _LAST)
        self._many(self._queries.settle_withheld_delivery, sent, _LAST)
        others = ((None, end[-1]) for end in ends if end[1] != DeliveryState.SENT.value)
        self._many(self._queries.end_withheld_call, others, _LAST)

    def revive(self, key: int, due_at: int) -> bool:
        """Put a dead delivery back; whether it was one."""
        done = self._queries.revive.run(self._connection, new_due_at=due_at, revived=key)
        return done == 1


def _reported_bits(changes: Changes) -> Iterable[Parameters]:
    """The bits that each delivery gets, and its idempotency key."""
    bits: dict[str, int] = {}
    for report in changes.reports:
        if report.bits:
            bits[report.subject] = bits.get(report.subject, 0) | report.bits
    return [(number, key) for key, number in bits.items()]
