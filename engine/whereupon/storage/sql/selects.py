"""The store's reading statements, each compiled when it is first asked for.

Conditions of partial indexes are written out, not bound, or a database would not use them.
"""

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    literal_column,
    not_,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.sql.elements import ClauseElement

from whereupon.conditions.prefilter import Prefilter
from whereupon.messages.times import FIRST_INSTANT, as_micros
from whereupon.records import KEY, Skips, StoredMessage
from whereupon.runtime.lazy import cached_property
from whereupon.storage.sql.dialects import Database, Statement
from whereupon.storage.sql.memories import PREFIX
from whereupon.storage.sql.scans import SCANNED
from whereupon.storage.sql.tables import (
    ClaimJobRow,
    ClaimRow,
    DeliveryRow,
    EntryRow,
    ErasedRow,
    IdentifierRow,
    MergeRow,
    MessageRow,
    MetaRow,
    NameRow,
    Number,
    PersonRow,
    RequestRow,
    RuleVersionRow,
    RunRow,
    SetAsideRow,
    SkipsRow,
    TombstoneRow,
    Words,
    table_of,
)

MESSAGE = table_of(MessageRow)
NAME = table_of(NameRow)
IDENTIFIER = table_of(IdentifierRow)
PERSON = table_of(PersonRow)
CLAIM = table_of(ClaimRow)
CLAIM_JOB = table_of(ClaimJobRow)
ENTRY = table_of(EntryRow)
DELIVERY = table_of(DeliveryRow)
RUN = table_of(RunRow)
SET_ASIDE = table_of(SetAsideRow)
SKIPS = table_of(SkipsRow)
REQUEST = table_of(RequestRow)
TOMBSTONE = table_of(TombstoneRow)
MERGE = table_of(MergeRow)
RULE_VERSION = table_of(RuleVersionRow)
ERASED = table_of(ErasedRow)
META = table_of(MetaRow)

_ACTIVE: ColumnElement[bool] = ENTRY.c.state == literal_column("'active'")
_PENDING: ColumnElement[bool] = DELIVERY.c.state == literal_column("'pending'")
_HELD: ColumnElement[bool] = DELIVERY.c.state == literal_column("'held'")
_DEAD: ColumnElement[bool] = DELIVERY.c.state == literal_column("'dead'")
_OPEN: ColumnElement[bool] = RUN.c.cursor.is_not(None)
_LIMIT = bindparam("limit", type_=Integer)
_DUE: ColumnElement[bool] = DELIVERY.c.due_at <= bindparam("until")
_MEANT: tuple[ColumnElement[bool], ...] = (
    DELIVERY.c.due_at >= bindparam("since"),
    (bindparam("any_channel", type_=Integer) == 1) | (DELIVERY.c.channel == bindparam("channel")),
    (bindparam("any_rule", type_=Integer) == 1) | (DELIVERY.c.rule == bindparam("rule")),
)
_EVER = str(as_micros(FIRST_INSTANT))
_SCREENS = 16
"""Statements for prefilters that are kept: those of broadcasts that are being sent."""


def inert(database: Database) -> ColumnElement[bool]:
    """That a message is inert: by its name among ``names``, or among ``aged`` and by its time."""
    name_id = type_coerce(MESSAGE.c.name_id, Number())
    is_aged = MESSAGE.c.timestamp < bindparam("before")
    return database.among(name_id, "names") | (database.among(name_id, "aged") & is_aged)


class Selects:
    """Reading statements for one kind of database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.scan = lru_cache(self._scan)
        self.scan_of = lru_cache(self._scan_of)
        self.audience = lru_cache(_SCREENS)(self._audience)

    def _compiled(self, clause: ClauseElement) -> Statement:
        return self._database.compile(clause)

    def _audience(self, prefilter: Prefilter) -> Statement:
        """Persons behind ``key``, and up to ``until``, who pass a prefilter; held, if that means anything."""
        passes = self._database.prefilters.clause(PERSON.c.attributes, prefilter)
        keys = PERSON.c.key > bindparam("key"), PERSON.c.key <= bindparam("until")
        clause = select(PERSON).where(*keys, passes).order_by(PERSON.c.key).limit(_LIMIT)
        return self._compiled(clause.with_for_update(of=PERSON))

    def _scan(self, kind: type) -> Statement:
        """Every record of a kind."""
        return self._compiled(_scanned(kind))

    def _scan_of(self, kind: type) -> Statement:
        """Those of ``person``."""
        scanned = SCANNED[kind]
        table = MESSAGE if kind is Skips else table_of(scanned.table)
        return self._compiled(_scanned(kind).where(table.c[scanned.owner] == bindparam("person")))

    @cached_property
    def known_messages(self) -> Statement:
        """Ids among ``ids``."""
        wanted = self._database.among(MESSAGE.c.message_id, "ids")
        return self._compiled(select(MESSAGE.c.message_id).where(wanted))

    @cached_property
    def process(self) -> Statement:
        """TextTest far the row of a ``process`` is."""
        return self._compiled(select(META.c.value).where(META.c.name == bindparam("process")))

    @cached_property
    def lapsed(self) -> Statement:
        """Drop the rows of processes that are not as far as ``before``."""
        old = META.c.name.like(literal_column(f"'{PREFIX}%'")), META.c.value < bindparam("before")
        names = select(META.c.name).where(*old).with_for_update(skip_locked=True)
        return self._compiled(delete(META).where(META.c.name.in_(names)))

    @cached_property
    def state(self) -> Statement:
        """The same, and whether any message was erased: one row."""
        row = select(META.c.value).where(META.c.name == bindparam("process")).scalar_subquery()
        erased = exists(select(ERASED.c.digest).select_from(ERASED))
        return self._compiled(select(row, erased))

    @cached_property
    def twins(self) -> Statement:
        """Of messages among ``ids``: the id, type, name, user id (of a stub: the request's), anonymous id."""
        joined = MESSAGE.join(NAME, NAME.c.id == MESSAGE.c.name_id).outerjoin(
            REQUEST, REQUEST.c.message_id == MESSAGE.c.message_id
        )
        whose = func.coalesce(MESSAGE.c.user_id, REQUEST.c.person)
        of = MESSAGE.c.message_id, NAME.c.type, NAME.c.name, whose, MESSAGE.c.anonymous_id
        wanted = self._database.among(MESSAGE.c.message_id, "ids")
        return self._compiled(select(*of).select_from(joined).where(wanted))

    @cached_property
    def erased(self) -> Statement:
        """Digests of erased messages among ``digests``."""
        wanted = self._database.among(ERASED.c.digest, "digests")
        return self._compiled(select(ERASED.c.digest).where(wanted))

    @cached_property
    def identifiers(self) -> Statement:
        """Identifiers of a ``kind`` among ``ids``."""
        wanted = self._database.among(IDENTIFIER.c.value, "ids")
        clause = select(IDENTIFIER).where(IDENTIFIER.c.kind == bindparam("kind"), wanted)
        return self._compiled(clause)

    @cached_property
    def identifiers_of(self) -> Statement:
        """User ids of the persons among ``keys``, and anonymous ids that they claimed."""
        among = self._database.among
        claimed = select(CLAIM.c.anonymous_key).where(among(CLAIM.c.person_key, "keys"))
        theirs = select(IDENTIFIER).where(
            IDENTIFIER.c.kind == literal_column("'user'"), among(IDENTIFIER.c.key, "keys")
        )
        anonymous = select(IDENTIFIER).where(
            IDENTIFIER.c.kind == literal_column("'anonymous'"), IDENTIFIER.c.key.in_(claimed)
        )
        return self._compiled(union_all(theirs, anonymous))

    @cached_property
    def persons(self) -> Statement:
        """Persons among ``keys``."""
        return self._compiled(select(PERSON).where(self._database.among(PERSON.c.key, "keys")))

    @cached_property
    def persons_after(self) -> Statement:
        """Persons behind ``key``."""
        clause = select(PERSON).where(PERSON.c.key > bindparam("key")).order_by(PERSON.c.key)
        return self._compiled(clause.limit(_LIMIT))

    @cached_property
    def person_behind(self) -> Statement:
        """The key of the person who comes ``skipped`` others behind ``key``."""
        clause = select(PERSON.c.key).where(PERSON.c.key > bindparam("key")).order_by(PERSON.c.key)
        return self._compiled(clause.limit(1).offset(bindparam("skipped", type_=Integer)))

    @cached_property
    def claims(self) -> Statement:
        """Claims of the anonymous ids among ``keys``."""
        wanted = self._database.among(CLAIM.c.anonymous_key, "keys")
        clause = select(CLAIM).where(wanted).order_by(CLAIM.c.since, CLAIM.c.anonymous_key)
        return self._compiled(clause)

    @cached_property
    def claims_near(self) -> Statement:
        """Claims that reach into the spans bound as ``needs``, and one on either side of each.

        The runs of one anonymous id never overlap: few begin before a span, and end in it. So a few
        steps along the primary key find the outermost ones.
        """
        need = self._database.needs("anonymous_key", "since", "until")
        other = CLAIM.alias("other")
        same = other.c.anonymous_key == need.c.anonymous_key
        before = same & (other.c.since < need.c.since) & (other.c.until < need.c.since)
        behind = same & (other.c.since > need.c.until)
        first = select(other.c.since).where(before).order_by(other.c.since.desc()).limit(1)
        last = select(other.c.since).where(behind).order_by(other.c.since).limit(1)
        met = (
            (CLAIM.c.anonymous_key == need.c.anonymous_key)
            & (CLAIM.c.since >= func.coalesce(first.scalar_subquery(), literal_column(_EVER)))
            & (CLAIM.c.since <= func.coalesce(last.scalar_subquery(), need.c.until))
        )
        clause = select(CLAIM).select_from(need.join(CLAIM, met))
        return self._compiled(clause.order_by(CLAIM.c.since, CLAIM.c.anonymous_key))

    @cached_property
    def owned_messages(self) -> Statement:
        """Messages of owners among ``keys`` from ``since`` on."""
        wanted = self._database.among(MESSAGE.c.owner, "keys")
        clause = _messages().where(wanted, MESSAGE.c.timestamp >= bindparam("since"))
        return self._compiled(clause.order_by(MESSAGE.c.timestamp, MESSAGE.c.key))

    @cached_property
    def some_owned_messages(self) -> Statement:
        """So many of them, whichever come first."""
        wanted = self._database.among(MESSAGE.c.owner, "keys")
        clause = _messages().where(wanted, MESSAGE.c.timestamp >= bindparam("since"))
        return self._compiled(clause.limit(_LIMIT))

    @cached_property
    def live_messages(self) -> Statement:
        """So many of them, without inert ones."""
        wanted = self._database.among(MESSAGE.c.owner, "keys")
        since = MESSAGE.c.timestamp >= bindparam("since")
        clause = _messages().where(wanted, since, not_(inert(self._database)))
        return self._compiled(clause.limit(_LIMIT))

    @cached_property
    def owned_counts(self) -> Statement:
        """Owners among ``keys``, and how many live messages of each type and name are theirs."""
        wanted = self._database.among(MESSAGE.c.owner, "keys")
        of = MESSAGE.c.timestamp
        within = of.between(bindparam("since"), bindparam("until"))
        joined = MESSAGE.join(NAME, NAME.c.id == MESSAGE.c.name_id)
        columns = (MESSAGE.c.owner, NAME.c.type, NAME.c.name)
        clause = select(*columns, func.count()).select_from(joined)
        live = clause.where(wanted, within, not_(inert(self._database)))
        return self._compiled(live.group_by(*columns))

    @cached_property
    def waiting_messages(self) -> Statement:
        """Messages of ``owner`` behind ``timestamp`` and ``key`` and up to ``until``."""
        of = MESSAGE.c
        behind = (of.timestamp > bindparam("timestamp")) | (of.key > bindparam("key"))
        since = of.timestamp >= bindparam(
            "timestamp"
        )  # which the index finds, as it does not the other
        near = (since, of.timestamp <= bindparam("until"), behind)
        theirs = _messages().where(of.owner == bindparam("owner"), *near)
        return self._compiled(theirs.order_by(of.timestamp, of.key).limit(_LIMIT))

    @cached_property
    def any_claim_job(self) -> Statement:
        """One claim that is being carried out, by its presence."""
        return self._compiled(select(CLAIM_JOB.c.due_at).limit(1))

    @cached_property
    def claim_jobs(self) -> Statement:
        """Claims being carried out, by those among ``persons`` or of those among ``keys``."""
        among = self._database.among
        wanted = among(CLAIM_JOB.c.person_key, "persons") | among(CLAIM_JOB.c.anonymous_key, "keys")
        return self._compiled(select(CLAIM_JOB).where(wanted).order_by(CLAIM_JOB.c.anonymous_key))

    @cached_property
    def due_claim_jobs(self) -> Statement:
        """Claims being carried out, due by ``until``."""
        clause = select(CLAIM_JOB).where(CLAIM_JOB.c.due_at <= bindparam("until"))
        return self._compiled(
            clause.order_by(CLAIM_JOB.c.due_at, CLAIM_JOB.c.anonymous_key).limit(_LIMIT)
        )

    @cached_property
    def messages(self) -> Statement:
        """Messages among ``keys``."""
        return self._compiled(_messages().where(self._database.among(MESSAGE.c.key, "keys")))

    @cached_property
    def history(self) -> Statement:
        """Messages that ``needs`` ask for; each need is one range of the one secondary index."""
        need = self._database.needs("owner", "since", "name_id")
        met = (
            (MESSAGE.c.owner == need.c.owner)
            & (MESSAGE.c.timestamp >= need.c.since)
            & (MESSAGE.c.name_id == need.c.name_id)
        )
        columns = (MESSAGE.c.owner, MESSAGE.c.name_id, MESSAGE.c.timestamp, MESSAGE.c.body)
        clause = select(*columns).select_from(need.join(MESSAGE, met))
        return self._compiled(clause.order_by(MESSAGE.c.timestamp, MESSAGE.c.key))

    @cached_property
    def past_entries(self) -> Statement:
        """Entries of the persons among ``keys`` in the rules among ``rules`` from ``since`` on."""
        return self._compiled(self._past_entries(self._database.among(ENTRY.c.rule, "rules")))

    @cached_property
    def past_entries_asked(self) -> Statement:
        """The same without those that do not matter (see `KeysAsked.concerns`)."""
        wanted = self._database.among(ENTRY.c.rule, "rules"), self._concerned()
        return self._compiled(self._past_entries(*wanted))

    @cached_property
    def entries_since(self) -> Statement:
        """Entries of the persons among ``keys`` in any rule, otherwise as `past_entries`."""
        return self._compiled(self._past_entries())

    @cached_property
    def entries_since_asked(self) -> Statement:
        """The same without those that do not matter."""
        return self._compiled(self._past_entries(self._concerned()))

    def _past_entries(self, *wanted: ColumnElement[bool]) -> Select[Any]:
        of = ENTRY.c
        clause = select(of.rule, of.person_key, of.timestamp, of.slot, of.state, of.occasion)
        theirs = self._database.among(of.person_key, "keys")
        return clause.where(theirs, *wanted, of.timestamp >= bindparam("since"))

    def _concerned(self) -> ColumnElement[bool]:
        """See `KeysAsked.concerns`: rules among ``keyed``, ``slots``, and ``edges`` of loose texts."""
        among, slot = self._database.among, ENTRY.c.slot
        start = len(KEY) + 1

        def part(first: ColumnElement[int] | int, length: int) -> ColumnElement[str]:
            return func.substr(slot, first, length, type_=Words)

        is_key = part(1, len(KEY)) == literal_column(f"'{KEY}'")
        is_loose = or_(
            part(start, 1) != literal_column("'\"'"),
            func.replace(slot, "\\", "", type_=Words) != slot,
            among(part(start + 1, 1), "edges"),
            among(part(func.length(slot) - 1, 1), "edges"),
        )
        unkeyed = ~among(ENTRY.c.rule, "keyed")
        return or_(unkeyed, among(slot, "slots"), and_(is_key, is_loose))

    @cached_property
    def active_entries(self) -> Statement:
        """Running entries of the persons among ``keys``."""
        wanted = self._database.among(ENTRY.c.person_key, "keys")
        return self._compiled(select(ENTRY).where(wanted, _ACTIVE))

    @cached_property
    def due_entries(self) -> Statement:
        """Running entries due by ``until``."""
        clause = select(ENTRY).where(_ACTIVE, ENTRY.c.due_at <= bindparam("until"))
        return self._compiled(clause.order_by(ENTRY.c.due_at, ENTRY.c.key).limit(_LIMIT))

    @cached_property
    def due_entries_of(self) -> Statement:
        """The same of the rule versions among ``versions``; of each the first ``share`` at most."""
        one = ENTRY.alias("one")
        share = bindparam("share", type_=Integer)
        due = one.c.state == literal_column("'active'"), one.c.due_at <= bindparam("until")
        first = select(one.c.key).where(*due).order_by(one.c.due_at, one.c.key).limit(share)
        foremost = self._database.of_each("versions", one.c.digest, first)
        clause = select(ENTRY).where(ENTRY.c.key.in_(foremost))
        return self._compiled(clause.order_by(ENTRY.c.due_at, ENTRY.c.key).limit(_LIMIT))

    @cached_property
    def waiting_versions(self) -> Statement:
        """Rule, digest and first due time of the versions that have running entries.

        It goes from each digest to the next by the index, however many entries there are between.
        """
        entry = ENTRY.alias("entry")
        active = entry.c.state == literal_column("'active'")
        version = select(func.min(ENTRY.c.digest).label("digest")).where(_ACTIVE)
        versions = version.cte("version", recursive=True)
        behind = select(func.min(entry.c.digest)).where(active, entry.c.digest > versions.c.digest)
        following = select(behind.scalar_subquery()).where(versions.c.digest.is_not(None))
        every = versions.union_all(following)
        of = ENTRY.c.digest == every.c.digest
        rule = select(ENTRY.c.rule).where(_ACTIVE, of).limit(1)
        due = select(func.min(ENTRY.c.due_at)).where(_ACTIVE, of)
        clause = select(rule.scalar_subquery(), every.c.digest, due.scalar_subquery())
        return self._compiled(clause.where(every.c.digest.is_not(None)).order_by(every.c.digest))

    @cached_property
    def count_entries(self) -> Statement:
        """TextTest many running entries the versions among ``versions`` have."""
        wanted = self._database.among(ENTRY.c.digest, "versions")
        counted = select(ENTRY.c.digest, func.count()).where(_ACTIVE, wanted)
        return self._compiled(counted.group_by(ENTRY.c.digest))

    @cached_property
    def next_due(self) -> Statement:
        """The next due times of deliveries and claims: two rows."""
        return self._next_due(select(func.min(DELIVERY.c.due_at)).where(_PENDING))

    @cached_property
    def next_due_of(self) -> Statement:
        """The same where only deliveries of ``channels`` count."""
        theirs = select(DELIVERY.c.due_at).where(_PENDING, self._by_channels)
        first = theirs.order_by(DELIVERY.c.due_at).limit(
            1
        )  # which the index finds, as min does not
        return self._next_due(select(first.scalar_subquery()))

    def _next_due(self, delivery: Select[tuple[int]]) -> Statement:
        parts = (
            delivery,
            select(func.min(CLAIM_JOB.c.due_at)),
        )
        return self._compiled(union_all(*parts))

    @property
    def _by_channels(self) -> ColumnElement[bool]:
        return self._database.among(DELIVERY.c.channel, "channels")

    @cached_property
    def tombstones(self) -> Statement:
        """Tombstones among ``digests``."""
        wanted = self._database.among(TOMBSTONE.c.digest, "digests")
        return self._compiled(select(TOMBSTONE).where(wanted))

    @cached_property
    def tombstones_laid_with(self) -> Statement:
        """Tombstones laid together with those among ``digests``."""
        wanted = self._database.among(TOMBSTONE.c.digest, "digests")
        together = TOMBSTONE.c.of.in_(select(TOMBSTONE.c.of).where(wanted))
        return self._compiled(select(TOMBSTONE).where(together))

    @cached_property
    def due_runs(self) -> Statement:
        """Unfinished runs due by ``until``."""
        clause = select(RUN).where(_OPEN, RUN.c.due_at <= bindparam("until"))
        return self._compiled(clause.order_by(RUN.c.due_at, RUN.c.rule, RUN.c.occasion))

    @cached_property
    def waiting_runs(self) -> Statement:
        """Unfinished runs."""
        clause = select(RUN).where(_OPEN)
        return self._compiled(clause.order_by(RUN.c.due_at, RUN.c.rule, RUN.c.occasion))

    @cached_property
    def run(self) -> Statement:
        """The run of a ``rule`` and ``occasion``, by its presence."""
        named = (RUN.c.rule == bindparam("rule"), RUN.c.occasion == bindparam("occasion"))
        return self._compiled(select(RUN.c.depth).where(*named))

    @cached_property
    def any_tombstone(self) -> Statement:
        """One tombstone, by its presence."""
        return self._compiled(select(TOMBSTONE.c.reason).limit(1))

    @cached_property
    def kept_versions(self) -> Statement:
        """Those of ``digests`` under which something is kept."""
        wanted = self._database.among(RULE_VERSION.c.digest, "digests")
        return self._compiled(select(RULE_VERSION.c.digest).where(wanted))

    @cached_property
    def rule_version(self) -> Statement:
        """The source of ``digest``."""
        clause = select(RULE_VERSION.c.source).where(RULE_VERSION.c.digest == bindparam("digest"))
        return self._compiled(clause)

    @cached_property
    def due_deliveries(self) -> Statement:
        """Pending deliveries due by ``until`` that nobody else is taking."""
        return self._taken(select(DELIVERY).where(_PENDING, _DUE))

    @cached_property
    def due_deliveries_of(self) -> Statement:
        """Those of them that are for ``channels``."""
        return self._taken(select(DELIVERY).where(_PENDING, _DUE, self._by_channels))

    @cached_property
    def held_deliveries(self) -> Statement:
        """Held deliveries that nobody else is taking."""
        return self._taken(select(DELIVERY).where(_HELD))

    @cached_property
    def held_deliveries_of(self) -> Statement:
        """Those of them that are for ``channels``."""
        return self._taken(select(DELIVERY).where(_HELD, self._by_channels))

    @cached_property
    def foreign_deliveries(self) -> Statement:
        """The keys and channels of pending deliveries due by ``until`` for others than ``channels``."""
        others = select(DELIVERY.c.key, DELIVERY.c.channel)
        return self._taken(others.where(_PENDING, _DUE, ~self._by_channels))

    def _taken(self, clause: Select[*tuple[Any, ...]]) -> Statement:
        ordered = clause.order_by(DELIVERY.c.due_at, DELIVERY.c.key).limit(_LIMIT)
        return self._compiled(ordered.with_for_update(skip_locked=True))

    @cached_property
    def leased_now(self) -> Statement:
        """What a delivery of ``key`` is now, and its person."""
        joined = DELIVERY.outerjoin(PERSON, PERSON.c.key == DELIVERY.c.person_key)
        said = (DELIVERY.c.state, DELIVERY.c.due_at, PERSON.c.user_id, PERSON.c.attributes)
        clause = select(*said).select_from(joined)
        return self._compiled(clause.where(DELIVERY.c.key == bindparam("key")))

    @cached_property
    def dead_count(self) -> Statement:
        """TextTest many dead deliveries are meant (see `_meant`)."""
        return self._compiled(select(func.count()).select_from(DELIVERY).where(_DEAD, *_MEANT))

    @cached_property
    def dead_keys(self) -> Statement:
        """The keys of dead deliveries that are meant."""
        return self._taken(select(DELIVERY.c.key).where(_DEAD, *_MEANT))

    @cached_property
    def backlog(self) -> Statement:
        """State, channel, number and earliest due time of deliveries that are pending, held or dead."""
        of = DELIVERY.c
        waiting = select(of.state, of.channel, of.due_at).where(_PENDING)
        stuck = select(of.state, of.channel, of.due_at).where(_HELD | _DEAD)
        each = union_all(waiting, stuck).subquery("each")
        group = (each.c.state, each.c.channel)
        counted = select(*group, func.count(), func.min(each.c.due_at))
        return self._compiled(counted.group_by(*group).order_by(*group))

    @cached_property
    def entries_of(self) -> Statement:
        """The newest entries of ``person`` in ``rule``."""
        of = ENTRY.c
        clause = select(ENTRY).where(
            of.person_key == bindparam("person"), of.rule == bindparam("rule")
        )
        newest = clause.order_by(of.timestamp.desc(), of.message_key.desc(), of.key.desc())
        return self._compiled(newest.limit(_LIMIT))

    @cached_property
    def skips_of(self) -> Statement:
        """What the messages of ``person`` were skipped for, newest first, behind their timestamps."""
        met = MESSAGE.join(SKIPS, SKIPS.c.message_key == MESSAGE.c.key)
        clause = select(MESSAGE.c.timestamp, *SKIPS.c).select_from(met)
        theirs = clause.where(MESSAGE.c.owner == bindparam("person"))
        return self._compiled(theirs.order_by(MESSAGE.c.timestamp.desc(), MESSAGE.c.key.desc()))

    @cached_property
    def merges(self) -> Statement:
        """Merges whose survivor is among ``keys``."""
        wanted = self._database.among(MERGE.c.survivor_key, "keys")
        ordered = select(MERGE).where(wanted).order_by(MERGE.c.merged_at, MERGE.c.message_id)
        return self._compiled(ordered)

    @cached_property
    def claimed_messages(self) -> Statement:
        """The newest messages of ``person`` that carried no user id."""
        theirs = _messages().where(
            MESSAGE.c.owner == bindparam("person"), MESSAGE.c.user_id.is_(None)
        )
        newest = theirs.order_by(MESSAGE.c.timestamp.desc(), MESSAGE.c.key.desc())
        return self._compiled(newest.limit(_LIMIT))

    @cached_property
    def entries_by(self) -> Statement:
        """Entries of ``person`` that messages among ``keys`` opened."""
        opened = self._database.among(ENTRY.c.message_key, "keys")
        clause = select(ENTRY).where(ENTRY.c.person_key == bindparam("person"), opened)
        return self._compiled(clause.order_by(ENTRY.c.message_key, ENTRY.c.key))

    @cached_property
    def skips_on(self) -> Statement:
        """What messages of ``person`` among ``keys`` were skipped for."""
        met = MESSAGE.join(SKIPS, SKIPS.c.message_key == MESSAGE.c.key)
        clause = select(*SKIPS.c).select_from(met).where(MESSAGE.c.owner == bindparam("person"))
        wanted = self._database.among(SKIPS.c.message_key, "keys")
        return self._compiled(clause.where(wanted).order_by(SKIPS.c.message_key))

    @cached_property
    def deliveries(self) -> Statement:
        """The newest deliveries whose state is among ``states``."""
        wanted = self._database.among(DELIVERY.c.state, "states")
        clause = select(DELIVERY).where(wanted).order_by(DELIVERY.c.key.desc())
        return self._compiled(clause.limit(_LIMIT))

    @cached_property
    def deliveries_of(self) -> Statement:
        """Deliveries of ``person`` that came of occasions among ``occasions``."""
        met = self._database.among(DELIVERY.c.message_id, "occasions")
        clause = select(DELIVERY).where(DELIVERY.c.person_key == bindparam("person"), met)
        return self._compiled(clause.order_by(DELIVERY.c.key))

    @cached_property
    def runs_of(self) -> Statement:
        """The newest runs of ``rule``."""
        clause = select(RUN).where(RUN.c.rule == bindparam("rule"))
        newest = clause.order_by(RUN.c.timestamp.desc(), RUN.c.occasion.desc())
        return self._compiled(newest.limit(_LIMIT))

    @cached_property
    def set_aside(self) -> Statement:
        """The newest messages set aside that have not been recorded since."""
        recorded = exists().where(MESSAGE.c.message_id == SET_ASIDE.c.message_id)
        newest = SET_ASIDE.c.set_aside_at.desc(), SET_ASIDE.c.message_id
        return self._compiled(select(SET_ASIDE).where(~recorded).order_by(*newest).limit(_LIMIT))

    @cached_property
    def counts(self) -> Statement:
        """One row of four numbers."""
        tables = (MESSAGE, PERSON, ENTRY, DELIVERY)
        counted = [select(func.count()).select_from(t).scalar_subquery() for t in tables]
        return self._compiled(select(*counted))

    @cached_property
    def name_id(self) -> Statement:
        """The id of ``name`` as a name of messages of ``type``."""
        named = (NAME.c.name == bindparam("name"), NAME.c.type == bindparam("type"))
        return self._compiled(select(NAME.c.id).where(*named))


def _scanned(kind: type) -> Select[*tuple[object, ...]]:
    if kind is StoredMessage:
        return _messages()
    if kind is Skips:
        met = MESSAGE.join(SKIPS, SKIPS.c.message_key == MESSAGE.c.key)
        return select(*SKIPS.c).select_from(met)
    return select(*table_of(SCANNED[kind].table).c)


def _messages() -> Select[*tuple[object, ...]]:
    joined = MESSAGE.join(NAME, NAME.c.id == MESSAGE.c.name_id)
    return select(*MESSAGE.c, NAME.c.type, NAME.c.name).select_from(joined)
