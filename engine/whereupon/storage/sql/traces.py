"""What others keep that leads back to an erased person, taken away or blanked.

Rows of the person's own simply go (see `writes`). Here is the rest: requests and reports stay, but
name nobody; ids of semantic messages become digests; a broadcast that one of the person's messages
opened stays for the others who were in its audience, without what that message said; and so does an
entry that one opened for somebody else, whose claim had come in before the person's own.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Update,
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

from whereupon.messages.model import erased_name
from whereupon.records import METRICS
from whereupon.runtime.lazy import cached_property
from whereupon.storage.sql.dialects import Database, Statement
from whereupon.storage.sql.rows import Record
from whereupon.storage.sql.selects import CLAIM, DELIVERY, ENTRY, IDENTIFIER, MESSAGE, REQUEST, RUN
from whereupon.storage.sql.tables import ReportRow, table_of

REPORT = table_of(ReportRow)
WITHHELD_REASON = "erased"
_EMPTY: ColumnElement[str] = literal_column("'{}'")


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
        names = ("person", "anonymous_id", "target_id", "body", "requester")
        gone = dict.fromkeys(names, null())
        clause = update(REQUEST).values(**gone, type=null(), message_id=bindparam("new_id"))
        return self._compiled(clause.where(REQUEST.c.key == bindparam("changed")))

    @cached_property
    def requester(self) -> Statement:
        """Requests for others that somebody among ``ids`` asked for, without the name."""
        asked = self._database.among(REQUEST.c.requester, "ids")
        return self._compiled(update(REQUEST).values(requester=null()).where(asked))

    @cached_property
    def reports(self) -> Statement:
        """Reports that name somebody among ``ids``: message id."""
        named = self._database.among(REPORT.c.person, "ids")
        return self._compiled(select(REPORT.c.message_id).where(named))

    @cached_property
    def nameless_report(self) -> Statement:
        """A report's new message id, then its old one."""
        known = REPORT.c.metric.in_([literal_column(f"'{metric}'") for metric in METRICS])
        clause = update(REPORT).values(
            person=null(),
            subject=literal_column("''"),
            metric=case((known, REPORT.c.metric), else_=literal_column("''")),
            message_id=bindparam("new_id"),
        )
        return self._compiled(clause.where(REPORT.c.message_id == bindparam("changed")))

    @cached_property
    def stub(self) -> Statement:
        """A message by id."""
        return self._compiled(
            delete(MESSAGE).where(MESSAGE.c.message_id == bindparam("message_id"))
        )

    @cached_property
    def runs(self) -> Statement:
        """Broadcast runs that a message of ``keys`` opened: rule, occasion and cursor."""
        joined = RUN.join(MESSAGE, MESSAGE.c.key == RUN.c.message_key)
        owned = self._database.among(MESSAGE.c.owner, "keys")
        clause = select(RUN.c.rule, RUN.c.occasion, RUN.c.cursor).select_from(joined)
        return self._compiled(clause.where(owned))

    @cached_property
    def rivals(self) -> Statement:
        """Others who had claimed an anonymous id that persons among ``keys`` claimed, too."""
        among, rival = self._database.among, CLAIM.alias("rival")
        shared = select(CLAIM.c.anonymous_key).where(among(CLAIM.c.person_key, "keys"))
        clause = select(rival.c.person_key).distinct()
        others = ~among(rival.c.person_key, "keys")
        return self._compiled(clause.where(rival.c.anonymous_key.in_(shared), others))

    @cached_property
    def others_entries(self) -> Statement:
        """Entries of ``rivals`` that a message of ``keys`` opened: key, person, rule and occasion.

        The owner is looked up for each of their entries: as a join, a database without statistics
        may go through all messages of the ``keys`` for each.
        """
        among, of = self._database.among, ENTRY.c
        message = select(MESSAGE.c.owner).where(MESSAGE.c.key == of.message_key)
        opened = among(message.scalar_subquery(), "keys")
        clause = select(of.key, of.person_key, of.rule, of.occasion)
        return self._compiled(clause.where(among(of.person_key, "rivals"), opened))

    @cached_property
    def blank_entry(self) -> Statement:
        """An entry's new occasion, then its key."""
        clause = update(ENTRY).values(occasion=bindparam("new_occasion"), facts=_EMPTY)
        return self._compiled(clause.where(ENTRY.c.key == bindparam("changed")))

    @cached_property
    def blank_deliveries(self) -> Statement:
        """What was sent to a ``person`` by a ``rule`` for an ``occasion``."""
        of = DELIVERY.c
        sent = of.person_key == bindparam("person"), of.rule == bindparam("rule")
        return self._compiled(_withheld().where(*sent, of.message_id == bindparam("occasion")))

    @cached_property
    def sent_to(self) -> Statement:
        """The keys of what was sent to a ``person`` by a ``rule`` for an ``occasion``."""
        of = DELIVERY.c
        sent = of.person_key == bindparam("person"), of.rule == bindparam("rule")
        clause = select(of.key).where(*sent, of.message_id == bindparam("occasion"))
        return self._compiled(clause)

    @cached_property
    def sent_by_run(self) -> Statement:
        """The keys of what was sent by a ``rule``'s run of an ``occasion``."""
        of = DELIVERY.c
        sent = of.rule == bindparam("rule"), of.message_id == bindparam("occasion")
        return self._compiled(select(of.key).where(*sent))

    @cached_property
    def blanked(self) -> list[Statement]:
        """Of a ``rule``'s run of an ``occasion``: the run, its entries, what was sent by them."""
        rule: BindParameter[str] = bindparam("rule")
        occasion: BindParameter[str] = bindparam("occasion")
        new: BindParameter[str] = bindparam("new_occasion")
        runs = update(RUN).values(occasion=new, facts=_EMPTY)
        entries = update(ENTRY).values(occasion=new, facts=_EMPTY)
        deliveries = _withheld()
        return [
            self._compiled(runs.where(RUN.c.rule == rule, RUN.c.occasion == occasion)),
            self._compiled(entries.where(ENTRY.c.rule == rule, ENTRY.c.occasion == occasion)),
            self._compiled(
                deliveries.where(DELIVERY.c.rule == rule, DELIVERY.c.message_id == occasion)
            ),
        ]


def _withheld() -> Update:
    """Deliveries without what they say; what waits is sent no more."""
    state, reason = DELIVERY.c.state, DELIVERY.c.reason
    pending = state.in_((literal_column("'pending'"), literal_column("'held'")))
    return update(DELIVERY).values(
        message_id=null(),
        content=_EMPTY,
        state=case((pending, literal_column("'withheld'")), else_=state),
        reason=case((pending, literal_column(f"'{WITHHELD_REASON}'")), else_=reason),
    )


class Traces:
    """One session's blanking of traces."""

    def __init__(
        self, connection: Connection, database: Database, statements: TraceStatements
    ) -> None:
        self._connection = connection
        self._database = database
        self._to = statements

    def open_runs(self, keys: object) -> set[tuple[str, str]]:
        """The broadcast runs, by rule and occasion, that `remove` will blank while they are sent."""
        found = self._to.runs.fetch(self._connection, keys=keys)
        return {(rule, occasion) for rule, occasion, cursor in found if cursor is not None}

    def sent_to_others(self, keys: object) -> list[int]:
        """The keys of others' deliveries that `remove` will blank."""
        found: list[int] = []
        for _, person, rule, occasion in self._others_entries(keys):
            sent = {"person": person, "rule": rule, "occasion": occasion}
            found += (key for (key,) in self._to.sent_to.fetch(self._connection, **sent))
        for rule, occasion, _ in self._to.runs.fetch(self._connection, keys=keys):
            sent = {"rule": rule, "occasion": occasion}
            found += (key for (key,) in self._to.sent_by_run.fetch(self._connection, **sent))
        return found

    def remove(self, keys: object) -> set[str]:
        """Blank what leads to the owners ``keys`` (as they are bound), while they are still there.

        Returns:
            The ids of messages of which only a digest is to be left.
        """
        users = self._to.users.fetch(self._connection, keys=keys)
        named = self.remove_names([user for (user,) in users])
        self._blank_entries(keys)
        for rule, occasion, _ in self._to.runs.fetch(self._connection, keys=keys):
            new = erased_name(occasion)
            for statement in self._to.blanked:
                statement.run(self._connection, rule=rule, occasion=occasion, new_occasion=new)
        return named

    def _others_entries(self, keys: object) -> Sequence[Record]:
        rivals = [person for (person,) in self._to.rivals.fetch(self._connection, keys=keys)]
        if not rivals:
            return ()
        among = {"rivals": self._database.members(rivals), "keys": keys}
        return self._to.others_entries.fetch(self._connection, **among)

    def _blank_entries(self, keys: object) -> None:
        for key, person, rule, occasion in self._others_entries(keys):
            new = erased_name(occasion)
            self._to.blank_entry.run(self._connection, new_occasion=new, changed=key)
            sent = {"person": person, "rule": rule, "occasion": occasion}
            self._to.blank_deliveries.run(self._connection, **sent)

    def remove_names(self, user_ids: Collection[str]) -> set[str]:
        """Blank the names of these people in requests and reports; returns as `remove` does."""
        ids, named = self._database.members(user_ids), set[str]()
        for key, message_id, person in self._to.requests.fetch(self._connection, ids=ids):
            new_id = message_id if person is None else erased_name(message_id)
            self._to.nameless_request.run(self._connection, new_id=new_id, changed=key)
            if person is not None:
                named.add(message_id)
        self._to.requester.run(self._connection, ids=ids)
        for (message_id,) in self._to.reports.fetch(self._connection, ids=ids):
            new_id = erased_name(message_id)
            self._to.nameless_report.run(self._connection, new_id=new_id, changed=message_id)
            named.add(message_id)
        return named

    def drop_husks(self, message_ids: Collection[str]) -> None:
        """Take away the messages of these ids."""
        for message_id in sorted(message_ids):
            self._to.stub.run(self._connection, message_id=message_id)
