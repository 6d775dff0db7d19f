"""Locking statements, for databases that many writers share; each compiled when it is first asked for.

Rows are locked in the order of a key that never changes, or are skipped when others hold them; in which
order the statements come is `holding`'s affair.
"""

from sqlalchemy import Integer, Table, bindparam, delete, literal_column, select, update
from sqlalchemy.sql.elements import ClauseElement

from whereupon.runtime.lazy import cached_property
from whereupon.storage.sql.dialects import Database, Statement
from whereupon.storage.sql.ledger_statements import HEAD
from whereupon.storage.sql.selects import DELIVERY, ENTRY, IDENTIFIER, PERSON, RUN, TOMBSTONE
from whereupon.storage.sql.writes import DEVICE, META, THING

_OPEN = RUN.c.cursor.is_not(None)
_DUE = (ENTRY.c.state == literal_column("'active'"), ENTRY.c.due_at <= bindparam("until"))
_LIMIT = bindparam("limit", type_=Integer)


class Locks:
    """Locking statements for one kind of database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _compiled(self, clause: ClauseElement) -> Statement:
        return self._database.compile(clause)

    @cached_property
    def persons(self) -> Statement:
        """Persons among ``keys``."""
        clause = select(PERSON.c.key).where(self._database.among(PERSON.c.key, "keys"))
        return self._compiled(clause.order_by(PERSON.c.key).with_for_update())

    @cached_property
    def anonymous(self) -> Statement:
        """Anonymous ids among ``keys``."""
        clause = select(IDENTIFIER.c.key).where(
            IDENTIFIER.c.kind == literal_column("'anonymous'"),
            self._database.among(IDENTIFIER.c.key, "keys"),
        )
        return self._compiled(clause.order_by(IDENTIFIER.c.key).with_for_update())

    @cached_property
    def occupy(self) -> Statement:
        """A row for a new id, unless it is somebody's; waits for those who are making it so."""
        clause = self._database.upsert(IDENTIFIER, on=("value", "kind"), change=())
        return self._compiled(clause)

    @cached_property
    def vacate(self) -> Statement:
        """Take that row away again."""
        user = IDENTIFIER.c.kind == literal_column("'user'")
        clause = delete(IDENTIFIER).where(user, IDENTIFIER.c.value == bindparam("value"))
        return self._compiled(clause)

    @cached_property
    def due_entries(self) -> Statement:
        """Entries due by ``until`` whose persons nobody holds: their keys, and the persons', locked."""
        joined = ENTRY.join(PERSON, PERSON.c.key == ENTRY.c.person_key)
        due = select(ENTRY.c.key, PERSON.c.key).select_from(joined).where(*_DUE)
        ordered = due.order_by(ENTRY.c.due_at, ENTRY.c.key).limit(_LIMIT)
        return self._compiled(ordered.with_for_update(of=PERSON, skip_locked=True))

    @cached_property
    def due_entries_of(self) -> Statement:
        """The same of the rule versions among ``versions``: of each the first ``share`` at most."""
        joined = ENTRY.join(PERSON, PERSON.c.key == ENTRY.c.person_key)
        names = ENTRY.c.key.label("entry"), PERSON.c.key.label("person"), ENTRY.c.due_at
        due = select(*names).select_from(joined).where(*_DUE)
        share = bindparam("share", type_=Integer)
        first = due.order_by(ENTRY.c.due_at, ENTRY.c.key).limit(share)
        held = first.with_for_update(of=PERSON, skip_locked=True)
        found = self._database.of_each("versions", ENTRY.c.digest, held).subquery("found")
        ordered = select(found.c.entry, found.c.person).order_by(found.c.due_at, found.c.entry)
        return self._compiled(ordered.limit(_LIMIT))

    @cached_property
    def still_due(self) -> Statement:
        """Entries among ``keys`` that are due by ``until`` now."""
        clause = select(ENTRY).where(self._database.among(ENTRY.c.key, "keys"), *_DUE)
        return self._compiled(clause.order_by(ENTRY.c.due_at, ENTRY.c.key))

    @cached_property
    def runs(self) -> Statement:
        """Every unfinished run."""
        clause = select(RUN).where(_OPEN).order_by(RUN.c.rule, RUN.c.occasion)
        return self._compiled(clause.with_for_update())

    @cached_property
    def run(self) -> Statement:
        """The unfinished run of ``rule`` and ``occasion``, unless somebody else sends it."""
        named = (RUN.c.rule == bindparam("rule"), RUN.c.occasion == bindparam("occasion"))
        return self._compiled(select(RUN).where(_OPEN, *named).with_for_update(skip_locked=True))

    @cached_property
    def ledger(self) -> Statement:
        """The head of the audit log."""
        return self._compiled(select(HEAD.c.id).where(HEAD.c.id == 1).with_for_update())

    @cached_property
    def deliveries_of(self) -> Statement:
        """The keys of deliveries of the persons among ``keys``, which are not locked yet."""
        mine = self._database.among(DELIVERY.c.person_key, "keys")
        return self._compiled(select(DELIVERY.c.key).where(mine))

    @cached_property
    def deliveries(self) -> Statement:
        """Deliveries among ``keys``."""
        clause = select(DELIVERY.c.key).where(self._database.among(DELIVERY.c.key, "keys"))
        return self._compiled(clause.order_by(DELIVERY.c.key).with_for_update())

    @cached_property
    def devices(self) -> Statement:
        """Devices among ``tokens``, and those of the persons among ``keys``."""
        among = self._database.among
        met = among(DEVICE.c.token, "tokens") | among(DEVICE.c.person_key, "keys")
        clause = select(DEVICE.c.token).where(met)
        return self._compiled(clause.order_by(DEVICE.c.token).with_for_update())

    @cached_property
    def objects(self) -> Statement:
        """Objects whose ids are among ``ids``, of whatever type."""
        return self._by_first(THING, "object_id", "ids")

    @cached_property
    def tombstones(self) -> Statement:
        """Tombstones among ``digests``."""
        return self._by_first(TOMBSTONE, "digest", "digests")

    def _by_first(self, table: Table, name: str, members: str) -> Statement:
        clause = select(table.c[name]).where(self._database.among(table.c[name], members))
        return self._compiled(clause.order_by(*table.primary_key).with_for_update())

    @cached_property
    def erasures(self) -> Statement:
        """How often people were erased so far."""
        clause = select(META.c.value).where(META.c.name == literal_column("'erasures'"))
        return self._compiled(clause)

    @cached_property
    def erase(self) -> Statement:
        """Count an erasure."""
        clause = update(META).where(META.c.name == literal_column("'erasures'"))
        return self._compiled(clause.values(value=META.c.value + literal_column("1")))
