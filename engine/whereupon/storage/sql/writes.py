"""Writing a batch's changes into a database, in the port's order: erase, merge, then the rest.

Every table is written once a batch, all rows in one call of the driver.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import itemgetter

import whereupon.storage.sql.rows as rows
import whereupon.storage.sql.rule_rows as rule_rows
from whereupon.messages.model import erased_digest
from whereupon.messages.times import as_micros
from whereupon.ports import NO_CHANNEL, Settlement
from whereupon.records import NEVER, Changes, Delivery, DeliveryState, IdKind, Merge
from whereupon.storage.sql.dialects import Parameters
from whereupon.storage.sql.erasure import Erasure
from whereupon.storage.sql.keys import block_of_counter, block_of_sequence, take_keys
from whereupon.storage.sql.process_cache import Block
from whereupon.storage.sql.prune import RowPruner
from whereupon.storage.sql.record_writes import RecordWrites
from whereupon.storage.sql.row_locks import Rank

_FIRST, _SECOND, _LAST = itemgetter(0), itemgetter(1), itemgetter(-1)
_FIRST_TWO, _FIRST_THREE = itemgetter(0, 1), itemgetter(0, 1, 2)


class SqlWrites(RecordWrites):
    """One session's writes."""

    @property
    def pruner(self) -> RowPruner:
        """What prunes; few transactions do."""
        return RowPruner(self._connection, self._database, self._queries)

    @property
    def _erasure(self) -> Erasure:
        return Erasure(self._connection, self._database, self._queries)

    def allocate(self, count: int) -> int:
        """Reserve keys; returns the first."""
        return take_keys(self._connection, self.cache, count, self._new_block)

    def _new_block(self, count: int) -> Block:
        if self._names.side is not None:
            return self._names.side.reserve(count)
        return self.reserve(count)

    def reserve(self, count: int) -> Block:
        """Take a block of at least ``count`` keys, for the process."""
        if self._database.one_writer:
            return block_of_counter(self._connection, self._queries.take_keys, count)
        return block_of_sequence(self._connection, self._queries.take_blocks, count)

    def write(self, changes: Changes) -> None:
        """Write everything that a batch made."""
        theirs = self._theirs(changes.erased_persons) if changes.erased_persons else None
        if self._locks is not None:
            blanked: Collection[int] = ()
            if theirs is not None:
                self._locks.check_runs(self._erasure.open_runs(theirs))
                blanked = self._erasure.sent_to_others(theirs)
            self._locks.before_writing(changes, blanked)
        if theirs is not None or changes.erased_ids or changes.erased_identifiers:
            self._erase(changes, theirs)
        for merge in changes.merges:
            self._merge(merge)
        self._write_records(changes)
        if self._locks is not None:
            self._locks.after_writing(changes)

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
        settled = self._queries.settle_delivery.write(self._connection, self._in_order(ends, _LAST))
        if settled < len(ends):
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
