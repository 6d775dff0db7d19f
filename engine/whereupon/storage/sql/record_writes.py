"""Writing a batch's records into a database: which statement writes what, and in which order."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, ClassVar, Final, TypeAlias

from sqlalchemy import Connection

import whereupon.storage.sql.api_key_rows as api_key_rows
import whereupon.storage.sql.request_rows as request_rows
import whereupon.storage.sql.rows as rows
import whereupon.storage.sql.rule_rows as rule_rows
import whereupon.storage.sql.run_rows as run_rows
from whereupon.messages.times import as_micros
from whereupon.records import Changes, IdKind, SkippedList, StoredMessage
from whereupon.storage.filled_parts import FilledParts
from whereupon.storage.sql.dialects import Database, Parameters, Statement
from whereupon.storage.sql.entry_changes import changed_entries
from whereupon.storage.sql.message_names import MessageNames
from whereupon.storage.sql.open_skip_rows import write_open_skips
from whereupon.storage.sql.outcome_columns import delivery_columns, entry_columns
from whereupon.storage.sql.process_cache import SessionCache
from whereupon.storage.sql.queries import Queries
from whereupon.storage.sql.row_locks import RowLocks
from whereupon.storage.sql.time_skip_rows import time_skip_row
from whereupon.storage.sql.transfers import ClaimTransfers

_Order: TypeAlias = Callable[[Parameters], Any]
_Part: TypeAlias = Callable[["RecordWrites", Changes], None]
_FIRST, _SECOND, _LAST = itemgetter(0), itemgetter(1), itemgetter(-1)
_FIRST_TWO, _FIRST_THREE = itemgetter(0, 1), itemgetter(0, 1, 2)
_FEW: Final = 9
"""The most messages that become rows one by one."""


class RecordWrites:
    """Writes what a batch made or changed; what goes is another matter.

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
        cache: SessionCache,
        locks: RowLocks | None,
    ) -> None:
        self.cache = cache
        self._locks = locks
        self._connection = connection
        self._database = database
        self._queries = queries
        self._names = names

    def _write_records(self, changes: Changes) -> None:
        """Write what there is."""
        for write_part in self.PARTS.writers(changes):
            write_part(self, changes)

    def _many(
        self, statement: Statement, rows: Iterable[Parameters], order: _Order | None = _FIRST
    ) -> None:
        """Write rows."""
        statement.send_rows(self._connection, self._in_order(rows, order))

    def _columns(
        self, statement: Statement, columns: Sequence[Sequence[object]], order: _Order = _FIRST
    ) -> None:
        """Write rows that are given column by column."""
        if self._locks is None:
            statement.send_columns(self._connection, columns)
        else:
            self._locks.refresh_timeout()
            statement.send_columns(self._connection, columns, order)

    def _in_order(self, rows: Iterable[Parameters], order: _Order | None) -> list[Parameters]:
        if self._locks is None:
            return list(rows)
        self._locks.refresh_timeout()
        return list(rows) if order is None else sorted(rows, key=order)

    def _messages(self, changes: Changes) -> None:
        if changes.transfers:
            self._transfer(changes)
        new: Sequence[object] = ()
        if changes.messages:
            new = self._new_messages(changes.messages, changes.skipped_lists)
        if changes.owners:
            owners = [(owner, key) for key, owner in changes.owners]
            self._many(self._queries.change_owner, owners, _LAST)
        if changes.discarded_skips:
            self._discard_skips(changes.discarded_skips)
        if changes.skips:
            self._skips(changes, new)

    def _new_messages(
        self, messages: Sequence[StoredMessage], skipped: Mapping[int, SkippedList]
    ) -> Sequence[object]:
        """Insert messages; columns of a few would cost more than their rows. Returns the keys."""
        add, names, keys = self._queries.add_message, self._names, [each.key for each in messages]
        named = [(each.message.type, each.message.name) for each in messages]
        numbers = names.number_each(self._connection, named)
        lists = names.lists.number_skipped(self._connection, keys, skipped)
        if len(messages) > _FEW:
            self._columns(add, rows.message_columns(messages, numbers, lists), _SECOND)
        else:
            self._many(add, map(rows.message_row, messages, numbers, lists), _SECOND)
        return keys

    def _transfer(self, changes: Changes) -> None:
        transfers = ClaimTransfers(self._connection, self._database, self._queries, self._names)
        for transfer in changes.transfers:
            transfers.write(transfer)

    def _discard_skips(self, discarded_skips: Mapping[int, Collection[str]]) -> None:
        members = self._database.members(list(discarded_skips))
        found = self._queries.earlier_skips.fetch(self._connection, keys=members)
        earlier = [rule_rows.skips_from(row, person_key=0) for row in found]
        self._many(self._queries.drop_skips, ((skips.message_key,) for skips in earlier))
        left = (skips.without_person(discarded_skips[skips.message_key]) for skips in earlier)
        kept = [skips for skips in left if skips is not None]
        if kept:
            self._columns(self._queries.add_skips, rule_rows.skips_columns(kept))

    def _skips(self, changes: Changes, new_messages: Sequence[object]) -> None:
        """The first of a message, which may be new or may have met none yet, are simply inserted.

        Args:
            new_messages: the keys of the batch's messages.
        """
        columns = rule_rows.skips_columns(changes.skips)
        keys: Sequence[int] = columns[0]
        new = {*keys}
        if old := new.difference(new_messages):
            members = self._database.members(old)
            new -= {key for (key,) in self._queries.skipped.fetch(self._connection, keys=members)}
        if len(new) == len(keys):
            self._columns(self._queries.add_skips, columns)
            return
        first: list[Parameters] = []
        later: list[Parameters] = []
        for row in zip(*columns, strict=True):
            if row[0] in new:
                new.discard(row[0])
                first.append(row)
            else:
                later.append(row)
        self._many(self._queries.add_skips, first)
        self._many(self._queries.append_skips, later)

    def _identifiers(self, changes: Changes) -> None:
        """Insert the new ones. Vacant ids are inserted among them and removed again, so that other writers wait."""
        rows = [(i.value, i.kind.value, i.key) for i in changes.identifiers]
        vacant = self._vacant(changes) if changes.vacant_ids else []
        self._many(self._queries.add_identifier, rows + [(*id_, 0) for id_ in vacant], _FIRST_TWO)
        if vacant:
            self._many(self._queries.drop_identifier, vacant, _FIRST_TWO)

    def _vacant(self, changes: Changes) -> list[tuple[str, str]]:
        """The vacant ids that the batch gives to nobody; they matter only where there are other writers."""
        if self._locks is None:
            return []
        new = {i.value for i in changes.identifiers if i.kind is IdKind.USER}
        return [(value, IdKind.USER.value) for value in changes.vacant_ids - new]

    def _persons(self, changes: Changes) -> None:
        self._many(self._queries.put_person, map(rows.person_row, changes.persons.values()))

    def _claims(self, changes: Changes) -> None:
        queries, begun = self._queries, changes.claim_jobs.items()
        dropped = ((key, as_micros(since)) for key, since in changes.dropped_claims)
        self._many(queries.drop_claim, dropped, _FIRST_TWO)
        self._many(queries.put_claim, map(rows.claim_row, changes.claims.values()), _FIRST_TWO)
        self._many(queries.put_claim_job, (rows.claim_job_row(each) for _, each in begun if each))
        self._many(queries.drop_claim_job, ((key,) for key, each in begun if each is None))

    def _entries(self, changes: Changes) -> None:
        queries, new = self._queries, changes.new_entries
        added = [each for key, each in changes.entries.items() if key in new]
        changed = changed_entries(changes)
        self._many(queries.step_entry, changed.stepped, _LAST)
        self._many(queries.end_entry, changed.ended, _LAST)
        self._many(queries.mark_entry, changed.marked, _LAST)
        self._many(queries.free_entry, changed.freed, _LAST)  # before others, who may want the slot
        self._many(queries.change_entry, changed.others, _LAST)
        if added:
            self._columns(queries.add_entry, entry_columns(added))

    def _deliveries(self, changes: Changes) -> None:
        self._columns(self._queries.add_delivery, delivery_columns(changes.deliveries))

    def _open_skips(self, changes: Changes) -> None:
        put, drop = self._queries.put_open_skip, self._queries.drop_open_skip
        write_open_skips(self._many, put, drop, changes.open_skips)

    def _time_skips(self, changes: Changes) -> None:
        self._many(self._queries.add_time_skip, map(time_skip_row, changes.time_skips))

    def _waiting_deliveries(self, changes: Changes) -> None:
        queries, halted = self._queries, changes.halted.items()
        withdrawn = ((reason, key) for key, reason in changes.withdrawn.items())
        self._many(queries.withdraw, withdrawn, _LAST)
        self._many(queries.halt_delivery, ((key,) for key, halt in halted if halt), _LAST)
        self._many(queries.release_delivery, ((key,) for key, halt in halted if not halt), _LAST)

    def _runs(self, changes: Changes) -> None:
        queries = self._queries
        self._many(queries.advance_run, map(run_rows.run_row, changes.runs.values()), _FIRST_TWO)
        operated = map(run_rows.operated_run_row, changes.operated_runs.values())
        self._many(queries.operate_run, operated, _LAST)

    def _pauses(self, changes: Changes) -> None:
        queries, pauses = self._queries, changes.pauses.items()
        self._many(queries.drop_pause, ((rule,) for rule, pause in pauses if pause is None))
        self._many(queries.put_pause, (rule_rows.pause_row(p) for _, p in pauses if p is not None))

    def _timers(self, changes: Changes) -> None:
        queries, handled, armed = self._queries, changes.timers, changes.armed
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

    def _devices(self, changes: Changes) -> None:
        queries, devices = self._queries, changes.devices
        self._many(queries.drop_device, ((token,) for token, d in devices.items() if d is None))
        self._many(queries.put_device, (rows.device_row(d) for d in devices.values() if d))

    def _objects(self, changes: Changes) -> None:
        queries, objects = self._queries, changes.objects
        self._many(queries.drop_object, (n for n, o in objects.items() if o is None), _FIRST_TWO)
        kept = (rows.object_row(o) for o in objects.values() if o)
        self._many(queries.put_object, kept, _FIRST_TWO)
        named = map(rows.object_row, changes.named_objects.values())
        self._many(queries.keep_object, named, _FIRST_TWO)

    def _relationships(self, changes: Changes) -> None:
        queries, ties = self._queries, changes.relationships
        gone = (rows.relationship_row(tie) for tie, holds in ties.items() if not holds)
        held = (rows.relationship_row(tie) for tie, holds in ties.items() if holds)
        self._many(queries.drop_relationship, gone, _FIRST_THREE)
        self._many(queries.put_relationship, held, _FIRST_THREE)

    def _tombstones(self, changes: Changes) -> None:
        queries, tombstones = self._queries, changes.tombstones
        lifted = ((d.hex(), of.hex()) for (d, of), t in tombstones.items() if t is None)
        self._many(queries.drop_tombstone, lifted)
        self._many(queries.put_tombstone, (rows.tombstone_row(t) for t in tombstones.values() if t))

    def _inbox(self, changes: Changes) -> None:
        queries, inbox = self._queries, changes.inbox
        self._many(queries.drop_inbox_item, ((key,) for key, item in inbox.items() if item is None))
        shown = (rule_rows.inbox_item_row(item) for item in inbox.values() if item)
        self._many(queries.put_inbox_item, shown)

    def _reports(self, changes: Changes) -> None:
        self._many(self._queries.put_report, map(rows.report_row, changes.reports))
        self._many(self._queries.report_delivery, _reported_bits(changes), _LAST)

    def _set_aside(self, changes: Changes) -> None:
        queries = self._queries
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

    def _rule_versions(self, changes: Changes) -> None:
        versions = changes.rule_versions
        if self._names.side is not None:
            self._names.side.keep(versions)
        else:
            rows = ((digest, rule, text) for digest, (rule, text) in versions.items())
            self._many(self._queries.keep_rule_version, rows)
        self.cache.learned.rule_versions |= versions.keys()

    def _requests(self, changes: Changes) -> None:
        """A batch's requests, approvals, breakers, audit rows and kept answers."""
        to, write = self._queries, self._write
        write(to.put_request, map(request_rows.request_row, changes.requests.values()))
        write(to.put_approval, map(request_rows.approval_row, changes.approvals))
        write(to.put_breaker, map(request_rows.breaker_row, changes.breakers.values()))
        write(to.add_audit_row, (request_rows.audit_row(row, row.request) for row in changes.audit))
        answers = changes.answers.items()
        write(to.drop_answer, ((key,) for key, kept in answers if kept is None))
        write(to.put_answer, (request_rows.answer_row(kept) for _, kept in answers if kept))
        if changes.audit_head is not None:
            write(to.put_audit_head, [request_rows.head_row(changes.audit_head)])

    def _write(self, statement: Statement, parameters: Iterable[Parameters]) -> None:
        """Write rows whose writers come one after the other."""
        statement.send_rows(self._connection, list(parameters))

    PARTS: ClassVar[FilledParts[_Part]] = FilledParts(
        {
            _identifiers: ["identifiers", "vacant_ids"],
            _persons: ["persons"],
            _claims: ["dropped_claims", "claims", "claim_jobs"],
            _messages: ["transfers", "messages", "owners", "discarded_skips", "skips"],
            _entries: ["entries"],
            _deliveries: ["deliveries"],
            _open_skips: ["open_skips"],
            _timers: ["timers", "armed", "armings"],
            _time_skips: ["time_skips"],
            _waiting_deliveries: ["withdrawn", "halted"],
            _runs: ["runs", "operated_runs"],
            _pauses: ["pauses"],
            _devices: ["devices"],
            _objects: ["objects", "named_objects"],
            _relationships: ["relationships"],
            _tombstones: ["tombstones"],
            _inbox: ["inbox"],
            _reports: ["reports"],
            _suppressed: ["suppressed"],
            _api_keys: ["api_keys", "api_secrets"],
            _rule_versions: ["rule_versions"],
            _set_aside: ["erased_identifiers", "set_aside", "resumed"],
            _requests: ["requests", "approvals", "breakers", "audit", "answers", "audit_head"],
        }
    )
    """What writes which fields of a batch's changes, in this order."""


def _reported_bits(changes: Changes) -> Iterable[Parameters]:
    """The bits that each delivery gets, and its idempotency key."""
    bits: dict[str, int] = {}
    for report in changes.reports:
        if report.bits:
            bits[report.subject] = bits.get(report.subject, 0) | report.bits
    return [(number, key) for key, number in bits.items()]
