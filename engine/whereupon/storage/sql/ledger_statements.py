"""The ledger's statements, each compiled when it is first asked for."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Integer,
    Table,
    bindparam,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.sql.elements import ClauseElement

from whereupon.records import RequestOutcome
from whereupon.runtime.lazy import cached_property
from whereupon.storage.sql.dialects import Database, Statement
from whereupon.storage.sql.selects import (
    CLAIM,
    DELIVERY,
    ENTRY,
    IDENTIFIER,
    MESSAGE,
    PERSON,
    REQUEST,
)
from whereupon.storage.sql.tables import (
    ApprovalRow,
    AuditHeadRow,
    AuditRowRow,
    BreakerRow,
    DeviceRow,
    MetaRow,
    RelationshipRow,
    ThingRow,
    table_of,
)

APPROVAL = table_of(ApprovalRow)
BREAKER = table_of(BreakerRow)
AUDIT = table_of(AuditRowRow)
HEAD = table_of(AuditHeadRow)
DEVICE = table_of(DeviceRow)
META = table_of(MetaRow)
RELATIONSHIP = table_of(RelationshipRow)
THING = table_of(ThingRow)

COUNTED: dict[str, Column[Any]] = {
    "messages": MESSAGE.c.owner,
    "identifiers": IDENTIFIER.c.key,
    "claims": CLAIM.c.person_key,
    "entries": ENTRY.c.person_key,
    "deliveries": DELIVERY.c.person_key,
    "devices": DEVICE.c.person_key,
    "relationships": RELATIONSHIP.c.person_key,
    "persons": PERSON.c.key,
}
"""What a plan counts, and whose a row of it is."""

_LIMIT = bindparam("limit", type_=Integer)
_OPEN = REQUEST.c.outcome.in_([literal_column("'held'"), literal_column("'approved'")])
_COUNTING: tuple[ColumnElement[str], ...] = tuple(
    literal_column(f"'{outcome.value}'")
    for outcome in (
        RequestOutcome.RAN,
        RequestOutcome.APPROVED,
        RequestOutcome.FAILED,
        RequestOutcome.UNDONE,
    )
)


class LedgerStatements:
    """Statements of the ledger for one kind of database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _compiled(self, clause: ClauseElement) -> Statement:
        return self._database.compile(clause)

    def _upsert(self, table: Table, on: Sequence[str] = ()) -> Statement:
        keys = [column.name for column in table.primary_key]
        others = [column.name for column in table.c if column.name not in keys]
        return self._compiled(self._database.upsert(table, on=on or keys, change=others))

    @cached_property
    def request(self) -> Statement:
        """The request of ``key``."""
        return self._compiled(select(REQUEST).where(REQUEST.c.key == bindparam("key")))

    @cached_property
    def requests(self) -> Statement:
        """The newest requests whose outcome is among ``outcomes``."""
        wanted = self._database.among(REQUEST.c.outcome, "outcomes")
        clause = select(REQUEST).where(wanted).order_by(REQUEST.c.key.desc())
        return self._compiled(clause.limit(_LIMIT))

    @cached_property
    def open_requests_of(self) -> Statement:
        """Open requests of the people among ``ids``, or to merge them."""
        among = self._database.among
        theirs = or_(among(REQUEST.c.person, "ids"), among(REQUEST.c.target_id, "ids"))
        return self._compiled(select(REQUEST).where(_OPEN, theirs).order_by(REQUEST.c.key))

    @cached_property
    def due_requests(self) -> Statement:
        """Held requests due by ``until``, or expiring by ``expiring``."""
        held = REQUEST.c.outcome == literal_column("'held'")
        due = or_(
            REQUEST.c.due_at <= bindparam("until"), REQUEST.c.expires_at <= bindparam("expiring")
        )
        when = func.coalesce(REQUEST.c.due_at, REQUEST.c.expires_at)
        clause = select(REQUEST).where(_OPEN, held, due).order_by(when, REQUEST.c.key)
        return self._compiled(clause.limit(_LIMIT))

    @cached_property
    def next_due(self) -> Statement:
        """The next due time and the next expiry."""
        of = REQUEST.c
        clause = select(func.min(of.due_at), func.min(of.expires_at)).where(_OPEN)
        return self._compiled(clause)

    @cached_property
    def next_due_of(self) -> Statement:
        """The same where of approved requests only those for ``actions`` count."""
        of = REQUEST.c
        theirs = (of.outcome == literal_column("'held'")) | self._database.among(
            of.action, "actions"
        )
        clause = select(func.min(of.due_at), func.min(of.expires_at)).where(_OPEN, theirs)
        return self._compiled(clause)

    @cached_property
    def due_approved(self) -> Statement:
        """Approved requests for the ``actions`` due by ``until`` that nobody else is taking."""
        approved = REQUEST.c.outcome == literal_column("'approved'")
        wanted = self._database.among(REQUEST.c.action, "actions")
        clause = select(REQUEST).where(
            _OPEN, approved, wanted, REQUEST.c.due_at <= bindparam("until")
        )
        ordered = clause.order_by(REQUEST.c.due_at, REQUEST.c.key).limit(_LIMIT)
        return self._compiled(ordered.with_for_update(skip_locked=True))

    @cached_property
    def lease(self) -> Statement:
        """A request's next due time, then its key."""
        clause = update(REQUEST).values(due_at=bindparam("new_due_at"))
        return self._compiled(clause.where(REQUEST.c.key == bindparam("changed")))

    @cached_property
    def ran_since(self) -> Statement:
        """How many for the actions among ``actions`` ran after ``since``."""
        wanted = self._database.among(REQUEST.c.action, "actions")
        clause = (
            select(func.count())
            .select_from(REQUEST)
            .where(
                wanted,
                REQUEST.c.decided_at > bindparam("since"),
                REQUEST.c.outcome.in_(_COUNTING),
                or_(
                    bindparam("source") == literal_column("''"),
                    REQUEST.c.source == bindparam("source"),
                ),
            )
        )
        return self._compiled(clause)

    @cached_property
    def people(self) -> Statement:
        """How many persons there are."""
        return self._compiled(select(func.count()).select_from(PERSON))

    @cached_property
    def breakers(self) -> Statement:
        """Every breaker."""
        return self._compiled(select(BREAKER).order_by(BREAKER.c.guard))

    @cached_property
    def approvals(self) -> Statement:
        """Approvals of ``request``."""
        clause = select(APPROVAL).where(APPROVAL.c.request == bindparam("request"))
        return self._compiled(clause.order_by(APPROVAL.c.approved_at, APPROVAL.c.actor))

    @cached_property
    def footprint(self) -> Statement:
        """How much of everything is ``person``'s, and when their last message happened."""
        person: BindParameter[int] = bindparam("person")
        counts = [
            select(func.count()).select_from(column.table).where(column == person).scalar_subquery()
            for column in COUNTED.values()
        ]
        own = MESSAGE.c.depth == literal_column("0")
        latest = select(func.max(MESSAGE.c.timestamp)).where(MESSAGE.c.owner == person, own)
        return self._compiled(select(*counts, latest.scalar_subquery()))

    @cached_property
    def devices(self) -> Statement:
        """Devices among ``tokens``."""
        return self._compiled(select(DEVICE).where(self._database.among(DEVICE.c.token, "tokens")))

    @cached_property
    def objects(self) -> Statement:
        """Objects whose type is among ``types`` and whose id is among ``ids``."""
        of, among = THING.c, self._database.among
        found = select(of.type_id, of.object_id)
        return self._compiled(found.where(among(of.type_id, "types"), among(of.object_id, "ids")))

    @cached_property
    def relationships(self) -> Statement:
        """Ties of persons among ``persons`` to objects among ``ids``."""
        of, among = RELATIONSHIP.c, self._database.among
        met = among(of.person_key, "persons"), among(of.object_id, "ids")
        return self._compiled(select(RELATIONSHIP).where(*met))

    @cached_property
    def head(self) -> Statement:
        """The audit log's head."""
        return self._compiled(select(HEAD).where(HEAD.c.id == 1))

    @cached_property
    def audit(self) -> Statement:
        """Rows of the audit log behind ``after``."""
        clause = select(AUDIT).where(AUDIT.c.sequence > bindparam("after"))
        return self._compiled(clause.order_by(AUDIT.c.sequence).limit(_LIMIT))

    @cached_property
    def audit_of(self) -> Statement:
        """Rows of the audit log about ``request``."""
        clause = select(AUDIT).where(AUDIT.c.request == bindparam("request"))
        return self._compiled(clause.order_by(AUDIT.c.sequence))

    @cached_property
    def mark(self) -> Statement:
        """The number called ``name``."""
        return self._compiled(select(META.c.value).where(META.c.name == bindparam("name")))

    # --- writing ----------------------------------------------------------------------------------

    @cached_property
    def put_mark(self) -> Statement:
        """A name, then its number."""
        return self._upsert(META)

    @cached_property
    def put_request(self) -> Statement:
        """A request."""
        return self._upsert(REQUEST)

    @cached_property
    def put_approval(self) -> Statement:
        """An approval."""
        return self._upsert(APPROVAL)

    @cached_property
    def put_breaker(self) -> Statement:
        """A breaker."""
        return self._upsert(BREAKER)

    @cached_property
    def add_audit(self) -> Statement:
        """A new row of the audit log."""
        return self._compiled(insert(AUDIT))

    @cached_property
    def put_head(self) -> Statement:
        """The head."""
        return self._upsert(HEAD)
