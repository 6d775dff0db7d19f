"""What others keep that leads back to an erased person, taken away or blanked.

Rows of the person's own simply go (see `writes`). Here is the rest: requests and reports stay, but
name nobody; ids of semantic messages become digests; a broadcast that one of the person's messages
opened stays for the others who were in its audience, without what that message said.
"""

from collections.abc import Collection
from functools import cached_property

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    bindparam,
    case,
    delete,
    literal_column,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.sql.elements import ClauseElement

from whereupon.messages import erased_digest, erased_name
from whereupon.stores.dialects import Database, Statement
from whereupon.stores.selects import DELIVERY, ENTRY, ERASED, IDENTIFIER, MESSAGE, REQUEST, RUN
from whereupon.stores.tables import ReportRow, table_of

REPORT = table_of(ReportRow)
WITHHELD_REASON = "erased"


class TraceStatements:
    """Statements that find and blank traces, for one kind of database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _compiled(self, clause: ClauseElement) -> Statement:
        return self._database.compile(clause)

    @cached_property
    def users(self) -> Statement:
        """User ids of the persons among ``keys``."""
        clause = select(IDENTIFIER.c.value).where(
            IDENTIFIER.c.kind == literal_column("'user'"),
            self._database.among(IDENTIFIER.c.key, "keys"),
        )
        return self._compiled(clause)

    @cached_property
    def requests(self) -> Statement:
        """Requests that name somebody among ``ids``: key, message id and person."""
        of, among = REQUEST.c, self._database.among
        named = or_(among(of.person, "ids"), among(of.target_id, "ids"))
        return self._compiled(select(of.key, of.message_id, of.person).where(named))

    @cached_property
    def nameless_request(self) -> Statement:
        """A request's new message id, then its key."""
        gone = dict.fromkeys(("person", "anonymous_id", "target_id", "body"), null())
        clause = update(REQUEST).values(**gone, type=null(), message_id=bindparam("new_id"))
        return self._compiled(clause.where(REQUEST.c.key == bindparam("changed")))

    @cached_property
    def reports(self) -> Statement:
        """Reports that name somebody among ``ids``: message id."""
        named = self._database.among(REPORT.c.person, "ids")
        return self._compiled(select(REPORT.c.message_id).where(named))

    @cached_property
    def nameless_report(self) -> Statement:
        """A report's new message id, then its old one."""
        clause = update(REPORT).values(person=null(), message_id=bindparam("new_id"))
        return self._compiled(clause.where(REPORT.c.message_id == bindparam("changed")))

    @cached_property
    def husk(self) -> Statement:
        """A message by id."""
        return self._compiled(
            delete(MESSAGE).where(MESSAGE.c.message_id == bindparam("message_id"))
        )

    @cached_property
    def erased(self) -> Statement:
        """The digest of an erased message's id."""
        return self._compiled(self._database.upsert(ERASED, on=("digest",), change=()))

    @cached_property
    def runs(self) -> Statement:
        """Broadcast runs that a message of ``keys`` opened: rule and occasion."""
        joined = RUN.join(MESSAGE, MESSAGE.c.key == RUN.c.message_key)
        owned = self._database.among(MESSAGE.c.owner, "keys")
        clause = select(RUN.c.rule, RUN.c.occasion).select_from(joined)
        return self._compiled(clause.where(owned))

    @cached_property
    def blanked(self) -> list[Statement]:
        """Of a ``rule``'s run of an ``occasion``: the run, its entries, what was sent by them."""
        rule: BindParameter[str] = bindparam("rule")
        occasion: BindParameter[str] = bindparam("occasion")
        new: BindParameter[str] = bindparam("new_occasion")
        empty: ColumnElement[str] = literal_column("'{}'")
        pending = DELIVERY.c.state == literal_column("'pending'")
        runs = update(RUN).values(occasion=new, facts=empty)
        entries = update(ENTRY).values(occasion=new, facts=empty)
        deliveries = update(DELIVERY).values(
            message_id=null(),
            content=empty,
            state=case((pending, literal_column("'withheld'")), else_=DELIVERY.c.state),
            reason=case((pending, literal_column(f"'{WITHHELD_REASON}'")), else_=DELIVERY.c.reason),
        )
        return [
            self._compiled(runs.where(RUN.c.rule == rule, RUN.c.occasion == occasion)),
            self._compiled(entries.where(ENTRY.c.rule == rule, ENTRY.c.occasion == occasion)),
            self._compiled(
                deliveries.where(DELIVERY.c.rule == rule, DELIVERY.c.message_id == occasion)
            ),
        ]


class Traces:
    """One session's blanking of traces."""

    def __init__(
        self, connection: Connection, database: Database, statements: TraceStatements
    ) -> None:
        self._connection = connection
        self._database = database
        self._to = statements

    def remove(self, keys: object) -> None:
        """Blank what leads to the owners ``keys`` (as they are bound), while they are still there."""
        users = self._to.users.fetch(self._connection, keys=keys)
        self.remove_names([user for (user,) in users])
        for rule, occasion in self._to.runs.fetch(self._connection, keys=keys):
            new = erased_name(occasion)
            for statement in self._to.blanked:
                statement.run(self._connection, rule=rule, occasion=occasion, new_occasion=new)

    def remove_names(self, user_ids: Collection[str]) -> None:
        """Blank the names of these people in requests and reports."""
        ids = self._database.members(user_ids)
        for key, message_id, person in self._to.requests.fetch(self._connection, ids=ids):
            new_id = message_id if person is None else erased_name(message_id)
            self._to.nameless_request.run(self._connection, new_id=new_id, changed=key)
            if person is not None:
                self.forget_message(message_id)
        for (message_id,) in self._to.reports.fetch(self._connection, ids=ids):
            new_id = erased_name(message_id)
            self._to.nameless_report.run(self._connection, new_id=new_id, changed=message_id)
            self.forget_message(message_id)

    def forget_message(self, message_id: str) -> None:
        """Keep of a message only the digest of its id."""
        self._to.erased.write(self._connection, [(erased_digest(message_id),)])
        self._to.husk.run(self._connection, message_id=message_id)
