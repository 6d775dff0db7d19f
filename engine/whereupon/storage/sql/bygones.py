"""Letting go of what is done with, in steps by key, so that neither an index nor a long transaction is needed."""

from functools import lru_cache

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Table,
    and_,
    bindparam,
    delete,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.sql.elements import ClauseElement

from whereupon.messages.times import as_micros
from whereupon.records import DONE, PruneStep, RetainedKind, RetentionCutoff
from whereupon.runtime.lazy import cached_property
from whereupon.storage.sql.dialects import Database, Statement
from whereupon.storage.sql.selects import DELIVERY, ENTRY, SET_ASIDE, SKIPS

_BEFORE: ColumnElement[int] = bindparam("before")
_UNASKED: ColumnElement[int] = bindparam("unasked")
_EMPTY: ColumnElement[str] = literal_column("'{}'")
_KEYS = {
    RetainedKind.SKIPS: (SKIPS, SKIPS.c.message_key),
    RetainedKind.DELIVERIES: (DELIVERY, DELIVERY.c.key),
    RetainedKind.ENTRIES: (ENTRY, ENTRY.c.key),
}


class BygoneStatements:
    """Statements that count and drop, for one kind of database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.end = lru_cache(self._end)
        self.drop = lru_cache(self._drop)
        self.count = lru_cache(self._count)

    def _compiled(self, clause: ClauseElement) -> Statement:
        return self._database.compile(clause)

    def _end(self, kind: RetainedKind) -> Statement:
        """The key of the row that comes ``skipped`` others behind ``after``."""
        _, key = _KEYS[kind]
        clause = select(key).where(key > bindparam("after")).order_by(key).limit(1)
        return self._compiled(clause.offset(bindparam("skipped", type_=Integer)))

    def _drop(self, kind: RetainedKind) -> Statement:
        """Those behind ``after`` and up to ``until``."""
        table, key = _KEYS[kind]
        old = select(key).where(*_between(key), self._is_gone(kind))
        ordered = old.order_by(key).with_for_update(skip_locked=True)
        return self._compiled(delete(table).where(key.in_(ordered)))

    @cached_property
    def empty(self) -> Statement:
        """Entries that stay, without what their messages said."""
        key = ENTRY.c.key
        old = select(key).where(*_between(key), self._has_ended(), ENTRY.c.facts != _EMPTY)
        ordered = old.order_by(key).with_for_update(skip_locked=True)
        return self._compiled(update(ENTRY).values(facts=_EMPTY).where(key.in_(ordered)))

    @cached_property
    def drop_aside(self) -> Statement:
        """The oldest messages set aside, at most ``reach``."""
        of = SET_ASIDE.c
        old = select(of.message_id).where(self._is_gone(RetainedKind.SET_ASIDE))
        oldest = old.order_by(of.set_aside_at, of.message_id)
        limited = oldest.limit(bindparam("reach", type_=Integer)).with_for_update(skip_locked=True)
        return self._compiled(delete(SET_ASIDE).where(of.message_id.in_(limited)))

    def _count(self, kind: RetainedKind) -> Statement:
        table: Table = SET_ASIDE if kind is RetainedKind.SET_ASIDE else _KEYS[kind][0]
        clause = select(func.count()).select_from(table).where(self._is_gone(kind))
        return self._compiled(clause)

    @cached_property
    def count_emptied(self) -> Statement:
        """How many entries stay, and still have what their messages said."""
        stays = self._has_ended(), ~self._keeps_nobody_out(), ENTRY.c.facts != _EMPTY
        return self._compiled(select(func.count()).select_from(ENTRY).where(*stays))

    def _is_gone(self, kind: RetainedKind) -> ColumnElement[bool]:
        match kind:
            case RetainedKind.SKIPS:
                return SKIPS.c.decided_at < _BEFORE
            case RetainedKind.DELIVERIES:
                done = DELIVERY.c.state.in_([literal_column(f"'{s.value}'") for s in DONE])
                return and_(done, DELIVERY.c.due_at < _BEFORE)
            case RetainedKind.ENTRIES:
                return and_(self._has_ended(), self._keeps_nobody_out())
            case RetainedKind.SET_ASIDE:
                return SET_ASIDE.c.set_aside_at < _BEFORE

    @staticmethod
    def _has_ended() -> ColumnElement[bool]:
        of = ENTRY.c
        ended_at = func.coalesce(of.ended_at, of.entered_at)
        return and_(of.state != literal_column("'active'"), ended_at < _BEFORE)

    def _keeps_nobody_out(self) -> ColumnElement[bool]:
        """See `whereupon.records.keeps_out`."""
        of = ENTRY.c
        period = self._database.leading_number(func.substr(of.slot, literal_column("5")))
        is_over = and_(
            of.slot.like(literal_column("'per:%'")),
            func.coalesce(of.timestamp + period, _UNASKED) < _UNASKED,
        )
        is_free = and_(
            func.coalesce(of.slot, literal_column("'active'")) == literal_column("'active'"),
            ~self._database.among(of.rule, "lasting"),
            of.timestamp < _UNASKED,
        )
        return or_(is_over, is_free)


def _between(key: ColumnElement[int]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return key > bindparam("after"), key <= bindparam("until")


class Bygone:
    """One session's letting go."""

    def __init__(
        self, connection: Connection, database: Database, statements: BygoneStatements
    ) -> None:
        self._connection = connection
        self._database = database
        self._to = statements

    def let_go(self, bygones: RetentionCutoff, after: int, reach: int) -> PruneStep:
        """Drop what is old among the next rows."""
        given = self._given(bygones)
        if bygones.kind is RetainedKind.SET_ASIDE:
            gone = self._to.drop_aside.run(self._connection, reach=reach, **given).rowcount
            return PruneStep(gone, cursor=after if gone == reach else None)
        behind = self._to.end(bygones.kind).fetch(self._connection, after=after, skipped=reach - 1)
        cursor = int(behind[0][0]) if behind else None
        given |= {"after": after, "until": 2**63 - 1 if cursor is None else cursor}
        gone = self._to.drop(bygones.kind).run(self._connection, **given).rowcount
        emptied = 0
        if bygones.kind is RetainedKind.ENTRIES:
            given = {name: given[name] for name in ("before", "after", "until")}
            emptied = self._to.empty.run(self._connection, **given).rowcount
        return PruneStep(gone, emptied, cursor)

    def count(self, bygones: RetentionCutoff) -> PruneStep:
        """How much would be dropped."""
        given = self._given(bygones)
        ((gone,),) = self._to.count(bygones.kind).fetch(self._connection, **given)
        if bygones.kind is not RetainedKind.ENTRIES:
            return PruneStep(int(gone))
        ((emptied,),) = self._to.count_emptied.fetch(self._connection, **given)
        return PruneStep(int(gone), int(emptied))

    def _given(self, bygones: RetentionCutoff) -> dict[str, object]:
        given: dict[str, object] = {"before": as_micros(bygones.before)}
        if bygones.kind is RetainedKind.ENTRIES:
            given["unasked"] = as_micros(bygones.unasked_before)
            given["lasting"] = self._database.members(sorted(bygones.lasting))
        return given
