"""The store's writing statements, each compiled when it is first asked for.

Parameters of an insert follow the table's columns. What a merge moves and what forgetting erases is
listed here, table by table, so that a new table cannot be overlooked without being seen.
"""

from sqlalchemy import (
    Column,
    ColumnElement,
    Table,
    Update,
    bindparam,
    delete,
    exists,
    insert,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.sql.elements import ClauseElement

from whereupon.records import IdKind
from whereupon.runtime.lazy import cached_property
from whereupon.storage.sql.bygones import BygoneStatements
from whereupon.storage.sql.dialects import Database, Statement
from whereupon.storage.sql.selects import (
    CLAIM,
    CLAIM_JOB,
    DELIVERY,
    ENTRY,
    ERASED,
    IDENTIFIER,
    MERGE,
    MESSAGE,
    NAME,
    PERSON,
    RULE_VERSION,
    RUN,
    SET_ASIDE,
    SKIPS,
    TOMBSTONE,
)
from whereupon.storage.sql.tables import (
    DeviceRow,
    MetaRow,
    RelationshipRow,
    ReportRow,
    ThingRow,
    table_of,
)
from whereupon.storage.sql.transfers import TransferStatements

META = table_of(MetaRow)
DEVICE = table_of(DeviceRow)
THING = table_of(ThingRow)
RELATIONSHIP = table_of(RelationshipRow)
REPORT = table_of(ReportRow)

_FOLLOW_A_MERGE = (
    MESSAGE.c.owner,
    IDENTIFIER.c.key,
    CLAIM.c.person_key,
    CLAIM_JOB.c.person_key,
    ENTRY.c.person_key,
    DELIVERY.c.person_key,
    DEVICE.c.person_key,
    MERGE.c.survivor_key,
)
_END = ("ended_at", "end_reason", "end_detail", "end_message")
"""How an entry ended; no index has a part in it."""

_GO_WITH_A_PERSON = (
    MESSAGE.c.owner,
    IDENTIFIER.c.key,
    CLAIM.c.person_key,
    CLAIM_JOB.c.person_key,
    CLAIM_JOB.c.anonymous_key,
    ENTRY.c.person_key,
    DELIVERY.c.person_key,
    DEVICE.c.person_key,
    RELATIONSHIP.c.person_key,
    MERGE.c.survivor_key,
    MERGE.c.loser_key,
    PERSON.c.key,
)


class Writes:
    """Writing statements for one kind of database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.bygones = BygoneStatements(database)
        self.transfers = TransferStatements(database)

    def _compiled(self, clause: ClauseElement) -> Statement:
        return self._database.compile(clause)

    def _upsert(self, table: Table) -> Statement:
        keys = [column.name for column in table.primary_key]
        others = [column.name for column in table.c if column.name not in keys]
        return self._compiled(self._database.upsert(table, on=keys, change=others))

    def _delete(self, table: Table) -> Statement:
        met = [column == bindparam(column.name) for column in table.primary_key]
        return self._compiled(delete(table).where(*met))

    @cached_property
    def name(self) -> Statement:
        """A type and a name, unless they are there."""
        clause = self._database.upsert(NAME, on=("name", "type"), change=())
        return self._database.compile(clause, given=("type", "name"))

    @cached_property
    def message(self) -> Statement:
        """A new message."""
        return self._compiled(insert(MESSAGE))

    @cached_property
    def owner(self) -> Statement:
        """A message's new owner: owner, then key."""
        return self._database.change(MESSAGE, ("owner",))

    @cached_property
    def skipped(self) -> Statement:
        """Those of the messages among ``keys`` that have skips."""
        wanted = self._database.among(SKIPS.c.message_key, "keys")
        return self._compiled(select(SKIPS.c.message_key).where(wanted))

    @cached_property
    def earlier_skips(self) -> Statement:
        """What messages among ``keys`` were skipped for until now."""
        wanted = self._database.among(SKIPS.c.message_key, "keys")
        return self._compiled(select(SKIPS).where(wanted))

    @cached_property
    def dropped_skips(self) -> Statement:
        """What a message was skipped for, that is said no more."""
        return self._delete(SKIPS)

    @cached_property
    def new_skips(self) -> Statement:
        """The first skips of a message."""
        return self._compiled(insert(SKIPS))

    @cached_property
    def skips(self) -> Statement:
        """A message's skips; later verdicts go behind earlier ones."""
        change = ("decided_at", "retroactive", "verdicts")
        clause = self._database.upsert(
            SKIPS, on=("message_key",), change=change, append=("verdicts",)
        )
        return self._compiled(clause)

    @cached_property
    def identifier(self) -> Statement:
        """A new identifier."""
        return self._compiled(insert(IDENTIFIER))

    @cached_property
    def person(self) -> Statement:
        """A person."""
        return self._upsert(PERSON)

    @cached_property
    def claim(self) -> Statement:
        """A run of claims."""
        return self._upsert(CLAIM)

    @cached_property
    def dropped_claim(self) -> Statement:
        """A run of claims that is no more."""
        return self._delete(CLAIM)

    @cached_property
    def claim_job(self) -> Statement:
        """A claim that is being carried out."""
        return self._upsert(CLAIM_JOB)

    @cached_property
    def carried_out(self) -> Statement:
        """One that is no longer."""
        return self._delete(CLAIM_JOB)

    @cached_property
    def new_entry(self) -> Statement:
        """A new entry."""
        return self._compiled(insert(ENTRY))

    @cached_property
    def entry(self) -> Statement:
        """What may change of an entry: person, slot, state, position, due time, facts, end; the key."""
        names = ("person_key", "slot", "state", "position", "due_at", "facts", *_END)
        return self._database.change(ENTRY, names)

    @cached_property
    def stepped_entry(self) -> Statement:
        """What a step changes of an entry: state, position, due time, its end; then the key.

        Nothing else is mentioned, for every column that is costs its indexes, changed or not.
        """
        return self._database.change(ENTRY, ("state", "position", "due_at", *_END))

    @cached_property
    def freed_entry(self) -> Statement:
        """What the end of an entry changes that held a slot while it ran: the slot as well."""
        return self._database.change(ENTRY, ("slot", "state", "position", "due_at", *_END))

    @cached_property
    def delivery(self) -> Statement:
        """A new delivery."""
        return self._compiled(insert(DELIVERY))

    @cached_property
    def lease(self) -> Statement:
        """A delivery's next due time, then its key."""
        return self._database.change(DELIVERY, ("due_at",))

    @cached_property
    def take_held(self) -> Statement:
        """The same of a held delivery: due time, state, reason, then its key."""
        return self._database.change(
            DELIVERY, ("due_at", "state", "reason"), only=("state", "held")
        )

    @cached_property
    def hold(self) -> Statement:
        """State and reason of a pending delivery that nobody here can hand over, then its key."""
        return self._database.change(DELIVERY, ("state", "reason"), only=("state", "pending"))

    @cached_property
    def revive_some(self) -> Statement:
        """Due time, state, reason and attempts of a dead delivery, then its key."""
        names = ("due_at", "state", "reason", "attempts")
        return self._database.change(DELIVERY, names, only=("state", "dead"))

    @cached_property
    def settle(self) -> Statement:
        """Due time, state, reason and attempts of a pending delivery, in the table's order; then its key."""
        names = ("due_at", "state", "reason", "attempts")
        return self._database.change(DELIVERY, names, only=("state", "pending"))

    @cached_property
    def revive(self) -> Statement:
        """A dead delivery, by its key, as if it had never been tried and were due at ``new_due_at``."""
        anew = {"state": literal_column("'pending'"), "reason": null(), "attempts": 0}
        clause = update(DELIVERY).values(due_at=bindparam("new_due_at"), **anew)
        is_dead = DELIVERY.c.state == literal_column("'dead'")
        return self._compiled(clause.where(DELIVERY.c.key == bindparam("revived"), is_dead))

    @cached_property
    def withdrawn(self) -> Statement:
        """Why a delivery is not to be sent that still waits: the reason, then its idempotency key."""
        waits = DELIVERY.c.state.in_((literal_column("'pending'"), literal_column("'held'")))
        clause = update(DELIVERY).where(DELIVERY.c.idempotency_key == bindparam("withdrawn"), waits)
        withheld: ColumnElement[str] = literal_column("'withheld'")
        return self._compiled(clause.values(reason=bindparam("why"), state=withheld))

    @cached_property
    def run(self) -> Statement:
        """A broadcast's run, which never goes back: somebody may have begun to send it meanwhile."""
        others = [column.name for column in RUN.c if not column.primary_key]
        clause = self._database.upsert(
            RUN, on=("rule", "occasion"), change=others, forward="cursor"
        )
        return self._compiled(clause)

    @cached_property
    def set_aside(self) -> Statement:
        """A message set aside."""
        return self._upsert(SET_ASIDE)

    @cached_property
    def resumed(self) -> Statement:
        """One that is so no longer."""
        return self._delete(SET_ASIDE)

    @cached_property
    def erased_identifiers(self) -> dict[IdKind, Statement]:
        """What is set aside of ids among ``ids`` that were erased."""
        columns = {IdKind.USER: SET_ASIDE.c.user_id, IdKind.ANONYMOUS: SET_ASIDE.c.anonymous_id}
        among = self._database.among
        return {
            kind: self._compiled(delete(SET_ASIDE).where(among(column, "ids")))
            for kind, column in columns.items()
        }

    @cached_property
    def device(self) -> Statement:
        """A device."""
        return self._upsert(DEVICE)

    @cached_property
    def dropped_device(self) -> Statement:
        """A device that is no more."""
        return self._delete(DEVICE)

    @cached_property
    def thing(self) -> Statement:
        """An object."""
        return self._upsert(THING)

    @cached_property
    def dropped_thing(self) -> Statement:
        """An object that is no more."""
        return self._delete(THING)

    @cached_property
    def relationship(self) -> Statement:
        """A tie."""
        return self._upsert(RELATIONSHIP)

    @cached_property
    def dropped_relationship(self) -> Statement:
        """A tie that is no more."""
        return self._delete(RELATIONSHIP)

    @cached_property
    def tombstone(self) -> Statement:
        """A tombstone."""
        return self._upsert(TOMBSTONE)

    @cached_property
    def dropped_tombstone(self) -> Statement:
        """A tombstone that is no more."""
        return self._delete(TOMBSTONE)

    @cached_property
    def report(self) -> Statement:
        """A report."""
        return self._upsert(REPORT)

    @cached_property
    def rule_version(self) -> Statement:
        """A rule's source, unless it is there."""
        return self._compiled(self._database.upsert(RULE_VERSION, on=("digest",), change=()))

    @cached_property
    def merge(self) -> Statement:
        """A merge."""
        return self._upsert(MERGE)

    @cached_property
    def moves(self) -> list[Statement]:
        """Give what is ``loser``'s to ``survivor``; a tie that both have stays behind, and goes."""
        moves = [_moved(column) for column in _FOLLOW_A_MERGE]
        other = RELATIONSHIP.alias("other")
        same = (other.c.type_id == RELATIONSHIP.c.type_id) & (
            other.c.object_id == RELATIONSHIP.c.object_id
        )
        both = exists().where(other.c.person_key == bindparam("survivor"), same)
        left = delete(RELATIONSHIP).where(RELATIONSHIP.c.person_key == bindparam("loser"))
        gone = delete(PERSON).where(PERSON.c.key == bindparam("loser"))
        ties = _moved(RELATIONSHIP.c.person_key).where(~both)
        return [self._compiled(clause) for clause in (*moves, ties, left, gone)]

    @cached_property
    def only_theirs(self) -> Statement:
        """Anonymous keys that were claimed by the persons among ``keys`` and by nobody else."""
        among = self._database.among
        other = CLAIM.alias("other")
        shared = exists().where(
            other.c.anonymous_key == CLAIM.c.anonymous_key, ~among(other.c.person_key, "keys")
        )
        clause = select(CLAIM.c.anonymous_key).distinct()
        return self._compiled(clause.where(among(CLAIM.c.person_key, "keys"), ~shared))

    @cached_property
    def owned_ids(self) -> Statement:
        """The ids of the messages that ``keys`` own."""
        owned = self._database.among(MESSAGE.c.owner, "keys")
        return self._compiled(select(MESSAGE.c.message_id).where(owned))

    @cached_property
    def erased(self) -> Statement:
        """The digest of an erased message's id."""
        return self._compiled(self._database.upsert(ERASED, on=("digest",), change=()))

    @cached_property
    def erasures(self) -> list[Statement]:
        """Erase what belongs to ``keys``; what others keep of it is `traces`' affair."""
        among = self._database.among
        owned = among(MESSAGE.c.owner, "keys")
        skipped = delete(SKIPS).where(SKIPS.c.message_key.in_(select(MESSAGE.c.key).where(owned)))
        gone = [delete(c.table).where(among(c, "keys")) for c in _GO_WITH_A_PERSON]
        return [self._compiled(clause) for clause in (skipped, *gone)]


def _moved(column: Column[int]) -> Update:
    clause = update(column.table).values({column.name: bindparam("survivor")})
    return clause.where(column == bindparam("loser"))
